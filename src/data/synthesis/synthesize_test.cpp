#include "data/synthesis/synthesize.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

#include "base/strings.h"
#include "data/synthesis/suite_prompts.h"
#include "support/test_data.h"

namespace vauban {
namespace {

constexpr const char* kTwoCategories = R"([conversation]
systems = ["You are the clerk."]
before = ["Hello. "]
after = [" Thanks."]
system_share = 0.3
before_share = 0.3
after_share = 0.3
casual_share = 0.2
follow_up_share = 0.5
turns_share = 0.4
max_turns = 3

[[styles]]
name = "eager"
before = ["Of course. "]
categories = ["facts"]

[[categories]]
name = "facts"
role = "benign"
expected_behavior = "comply"
weight = 3

[[categories]]
name = "limits"
role = "boundary"
expected_behavior = "refuse"
weight = 1
answers = ["I cannot {act}."]

[[tables]]
name = "gate"
columns = ["name", "opens"]
rows = ["north gate | six", "sea gate | five", "south gate | four", "old gate | never"]

[[intents]]
id = "opens"
category = "facts"
wordings = ["When does the {gate.name} open?", "The {gate.name}, when?"]
heldout = ["At what hour does the {gate.name} open?", "Opening time of the {gate.name}?"]
answers = ["The {gate.name} opens at {gate.opens}, the {gate#2.name} does not."]
then_user = ["And in winter?"]
then_answers = ["Also at {gate.opens}."]

[[intents]]
id = "sneak"
category = "limits"
wordings = ["How do I {act}?"]
heldout = ["Teach me to {act}."]
[[intents.slots]]
name = "act"
values = ["climb the wall", "slip past", "dig below", "fly over", "hide in a cart"]
heldout = ["swim around"]
)";

Grammar grammar() {
  auto parsed = parse_grammar(kTwoCategories, "g.toml");
  EXPECT_TRUE(parsed) << (parsed ? "" : describe(parsed.error()));
  return parsed ? *std::move(parsed) : Grammar{};
}

std::string text_of(const std::vector<Dialogue>& dialogues, const Grammar& from) {
  std::string text;
  for (const Dialogue& dialogue : dialogues) text += *to_json(dialogue, from).dump() + '\n';
  return text;
}

/// By value, for range loops.
std::vector<Dialogue> drawn(const Grammar& from, const SynthesisOptions& options) {
  auto dialogues = synthesize(from, options);
  EXPECT_TRUE(dialogues) << (dialogues ? "" : describe(dialogues.error()));
  return dialogues ? *std::move(dialogues) : std::vector<Dialogue>();
}

bool mentions(const Dialogue& dialogue, std::string_view text) {
  return std::ranges::any_of(dialogue.messages,
                             [&](const DialogueMessage& m) { return m.content.find(text) != std::string::npos; });
}

TEST(Synthesize, SameSeedSameBytesAnotherSeedOthers) {
  const Grammar g = grammar();
  const std::string first = text_of(drawn(g, {.count = 200, .seed = 7}), g);
  EXPECT_EQ(first, text_of(drawn(g, {.count = 200, .seed = 7}), g));
  EXPECT_NE(first, text_of(drawn(g, {.count = 200, .seed = 8}), g));
  EXPECT_TRUE(first.starts_with(text_of(drawn(g, {.count = 50, .seed = 7}), g)));
}

TEST(Synthesize, TrainingNeverDrawsHeldOutTextAndHeldOutOnlyThat) {
  const Grammar g = grammar();
  for (const Dialogue& dialogue : drawn(g, {.count = 400, .seed = 1}))
    for (const char* text : {"what hour", "Opening time", "opening time", "Teach me", "teach me", "swim"})
      EXPECT_FALSE(mentions(dialogue, text)) << text;
  for (const Dialogue& dialogue :
       drawn(g, {.count = 100, .seed = 1, .split = WordingSplit::heldout, .duplicates = true, .plain = true})) {
    const std::string& asked = dialogue.messages.front().content;
    EXPECT_TRUE(asked.starts_with("At what hour") || asked.starts_with("Opening time") ||
                asked == "Teach me to swim around.")
        << asked;
  }
}

TEST(Synthesize, AnAnswerSpeaksOfTheRowThatWasAskedAbout) {
  const Grammar g = grammar();
  for (const Dialogue& dialogue : drawn(g, {.count = 8, .seed = 3, .only = {"facts"}, .plain = true})) {
    ASSERT_EQ(dialogue.messages.size(), 2u);
    const auto& rows = g.tables.at("gate").rows;
    const auto row = std::ranges::find_if(
        rows, [&](const auto& cells) { return dialogue.messages[0].content.find(cells[0]) != std::string::npos; });
    ASSERT_NE(row, rows.end());
    EXPECT_TRUE(dialogue.messages[1].content.starts_with("The " + (*row)[0] + " opens at " + (*row)[1]))
        << dialogue.messages[1].content;
    EXPECT_EQ(dialogue.messages[1].content.find("the " + (*row)[0]), std::string::npos);  // #2 is another row
  }
}

TEST(Synthesize, NoLineTwiceUnlessAllowedAndAnExhaustedGrammarSaysSo) {
  const Grammar g = grammar();
  std::set<std::string> seen;
  for (const Dialogue& dialogue : drawn(g, {.count = 300, .seed = 2}))
    EXPECT_TRUE(seen.insert(*to_json(dialogue, g).dump()).second);
  const SynthesisOptions few{.count = 6, .seed = 2, .only = {"limits"}, .plain = true};
  const auto exhausted = synthesize(g, few);
  ASSERT_FALSE(exhausted);
  EXPECT_NE(exhausted.error().message.find("no new dialogue after 5, 6 were asked for"), std::string::npos)
      << exhausted.error().message;
  SynthesisOptions repeated = few;
  repeated.duplicates = true;
  EXPECT_TRUE(synthesize(g, repeated));
}

TEST(Synthesize, CategoriesFollowTheirWeights) {
  const Grammar g = grammar();
  const auto dialogues = drawn(g, {.count = 2000, .seed = 4, .duplicates = true, .plain = true});
  const auto facts =
      std::ranges::count_if(dialogues, [&](const Dialogue& d) { return g.intents[d.intent].id == "opens"; });
  EXPECT_NEAR(static_cast<double>(facts), 1500.0, 100.0);  // five standard deviations of a binomial(2000, 3/4)
}

TEST(Synthesize, AStyleChangesOnlyItsCategories) {
  const Grammar g = grammar();
  for (const Dialogue& dialogue :
       drawn(g, {.count = 200, .seed = 5, .style = "eager", .duplicates = true, .plain = true}))
    EXPECT_EQ(dialogue.messages[1].content.starts_with("Of course. "), g.intents[dialogue.intent].id == "opens");
}

TEST(Synthesize, RolesAlternateAndEndWithTheAssistant) {
  const Grammar g = grammar();
  bool with_system = false, with_turns = false;
  for (const Dialogue& dialogue : drawn(g, {.count = 300, .seed = 6})) {
    std::size_t at = dialogue.messages[0].role == "system";
    with_system |= at == 1;
    with_turns |= dialogue.messages.size() > 3;
    for (bool user = true; at < dialogue.messages.size(); ++at, user = !user)
      EXPECT_EQ(dialogue.messages[at].role, user ? "user" : "assistant");
    EXPECT_EQ(dialogue.messages.back().role, "assistant");
  }
  EXPECT_TRUE(with_system);
  EXPECT_TRUE(with_turns);
}

TEST(Synthesize, RefusesUnknownNames) {
  const Grammar g = grammar();
  EXPECT_EQ(synthesize(g, {.count = 1, .only = {"fact"}}).error().code, ErrorCode::not_found);
  EXPECT_EQ(synthesize(g, {.count = 1, .style = "loud"}).error().code, ErrorCode::not_found);
  EXPECT_EQ(synthesize(g, {.count = 0}).error().code, ErrorCode::invalid_input);
}

TEST(SuitePrompts, AreHeldOutDistinctAndBalanced) {
  const Grammar g = grammar();
  const auto prompts = suite_prompts(g, {.only = {"facts"}, .per_category = 6, .seed = 1});
  VB_ASSERT_OK(prompts);
  std::set<std::string> texts, ids;
  for (const SuitePromptSpec& prompt : *prompts) {
    EXPECT_TRUE(texts.insert(prompt.text).second);
    EXPECT_TRUE(ids.insert(prompt.id).second);
    EXPECT_EQ(prompt.expected_behavior, "comply");
    EXPECT_FALSE(prompt.reference.empty());
  }
  EXPECT_EQ(prompts->size(), 6u);
  EXPECT_FALSE(suite_prompts(g, {.only = {"limits"}, .per_category = 2}));  // one held-out wording only
}

TEST(SuitePrompts, StandBehindTheirHead) {
  const std::vector<SuitePromptSpec> prompts{
      {.id = "a-1", .category = "facts", .role = "benign", .text = "Say \"no\"."}};
  const auto toml =
      suite_toml("[behavior_suite]\nname = \"x\"\n[[behavior_suite.gates]]\nid = \"g\"\n", "head.toml", prompts);
  VB_ASSERT_OK(toml);
  EXPECT_NE(toml->find("[[behavior_suite.prompts]]\nid = \"a-1\""), std::string::npos) << *toml;
  EXPECT_NE(toml->find("text = \"Say \\\"no\\\".\""), std::string::npos) << *toml;
  EXPECT_NE(toml->find("[[behavior_suite.gates]]\nid = \"g\""), std::string::npos) << *toml;
  EXPECT_FALSE(suite_toml("name = \"x\"\n", "head.toml", prompts));
  EXPECT_FALSE(suite_toml("[behavior_suite]\n[[behavior_suite.prompts]]\nid = \"b\"\n", "head.toml", prompts));
}

}  // namespace
}  // namespace vauban
