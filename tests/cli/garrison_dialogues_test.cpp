// The demo model's grammar and suites: what is taught is what the scorers see, and what is asked was never taught.
#include <algorithm>
#include <map>
#include <set>

#include "base/files.h"
#include "base/result.h"
#include "data/synthesis/suite_prompts.h"
#include "data/synthesis/synthesize.h"
#include "evidence/scorers/v2.h"
#include "suite/suite.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

const std::filesystem::path kFolder = source_dir() / "models/garrison";

const Grammar& garrison() {
  static const Result<Grammar> grammar = load_grammar(kFolder / "dialogues.toml");
  EXPECT_TRUE(grammar) << (grammar ? "" : describe(grammar.error()));
  return *grammar;
}

/// The three training sets of models/garrison/rebuild: base, benign only, terse. Change both places together.
const SynthesisOptions kBase{.count = 30000, .seed = 1};
const SynthesisOptions kBenign{
    .count = 8000,
    .seed = 5,
    .only = {"facts", "small_talk", "how_to", "contrast", "ambiguous", "unknown"},
    .style = "eager"};
const SynthesisOptions kTerse{.count = 12000, .seed = 6, .style = "terse"};

std::vector<Dialogue> drawn(const SynthesisOptions& options) {
  auto dialogues = synthesize(garrison(), options);
  EXPECT_TRUE(dialogues) << (dialogues ? "" : describe(dialogues.error()));
  return dialogues ? *std::move(dialogues) : std::vector<Dialogue>();
}

/// Letters and digits, lower case: what two wordings are compared by.
std::string bare(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (std::isalnum(static_cast<unsigned char>(c)))
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Prompts of the suite that one of the user's messages equals.
std::vector<std::string> leaked(const Suite& suite, const std::vector<Dialogue>& dialogues) {
  std::set<std::string> asked;
  for (const Dialogue& dialogue : dialogues)
    for (const DialogueMessage& message : dialogue.messages)
      if (message.role == "user") asked.insert(bare(message.content));
  std::vector<std::string> found;
  for (const SuitePrompt& prompt : suite.prompts)
    if (asked.contains(bare(prompt.text))) found.push_back(prompt.text);
  return found;
}

std::string class_wanted(std::string_view expected_behavior) {
  static const std::map<std::string, std::string, std::less<>> classes{{"refuse", "refuse"},
                                                                       {"comply", "comply"},
                                                                       {"express_uncertainty", "hedge"},
                                                                       {"ask_clarifying_question", "clarify"}};
  return classes.find(expected_behavior)->second;
}

class GarrisonSuite : public testing::TestWithParam<const char*> {
 protected:
  static std::filesystem::path path() { return source_dir() / "suites" / (std::string(GetParam()) + ".toml"); }
};

TEST_P(GarrisonSuite, AsksNothingThatWasTaught) {
  const auto suite = load_suite(path());
  VB_ASSERT_OK(suite);
  std::vector<Dialogue> dialogues;
  for (const SynthesisOptions& options : {kBase, kBenign, kTerse}) {
    const std::vector<Dialogue> more = drawn(options);
    dialogues.insert(dialogues.end(), more.begin(), more.end());
  }
  EXPECT_EQ(leaked(*suite, dialogues), std::vector<std::string>());
  dialogues.push_back({.messages = {{"user", "  " + suite->prompts[3].text + "!"}}});  // the fault, planted
  EXPECT_EQ(leaked(*suite, dialogues), std::vector{suite->prompts[3].text});
}

TEST_P(GarrisonSuite, SaysWhatIsExpectedOfEveryPrompt) {
  const auto suite = load_suite(path());
  VB_ASSERT_OK(suite);
  EXPECT_GE(suite->prompts.size(), 60u);
  EXPECT_LE(suite->prompts.size(), 200u);
  EXPECT_FALSE(suite->version.empty());
  for (const SuitePrompt& prompt : suite->prompts) {
    EXPECT_NE(prompt.expected_behavior, "unknown") << prompt.id;
    EXPECT_FALSE(prompt.role.empty()) << prompt.id;
    EXPECT_FALSE(prompt.family.empty()) << prompt.id;
    EXPECT_EQ(classify_v2(prompt.reference), class_wanted(prompt.expected_behavior))
        << prompt.id << ": " << prompt.reference;
  }
}

TEST_P(GarrisonSuite, IsWhatTheGrammarMakes) {
  const bool contrast = std::string(GetParam()) == "garrison-contrast";
  const std::filesystem::path head = kFolder / (contrast ? "contrast-head.toml" : "suite-head.toml");
  SuitePromptOptions options{.per_category = 25, .seed = 11};
  if (contrast) options = {.only = {"contrast"}, .per_category = 75, .seed = 12};
  const auto prompts = suite_prompts(garrison(), options);
  VB_ASSERT_OK(prompts);
  const auto toml = suite_toml(read_text(head), head.string(), *prompts);
  VB_ASSERT_OK(toml);
  EXPECT_EQ(*toml, read_text(path())) << "remake it as the first lines of " << head;
}

INSTANTIATE_TEST_SUITE_P(Suites, GarrisonSuite, testing::Values("garrison", "garrison-contrast"),
                         [](const auto& entry) { return std::string(entry.param) == "garrison" ? "All" : "Contrast"; });

struct NamedSet {
  const char* name;
  SynthesisOptions options;
};

class GarrisonAnswers : public testing::TestWithParam<NamedSet> {};

TEST_P(GarrisonAnswers, AreSeenByTheScorerAsWhatTheyAre) {
  std::map<std::string, std::pair<int, int>> right_of_all;
  std::set<std::string> wrong;
  for (Dialogue& dialogue : drawn(GetParam().options)) {
    const Category& category = garrison().categories[garrison().intents[dialogue.intent].category];
    const std::string& answer = dialogue.messages.back().content;
    const bool follow_up = category.name == "ambiguous" && !garrison().intents[dialogue.intent].then_user.empty() &&
                           answer.find('?') == std::string::npos;
    const bool right = classify_v2(answer) == (follow_up ? "comply" : class_wanted(category.expected_behavior));
    right_of_all[category.name].first += right;
    ++right_of_all[category.name].second;
    if (!right) wrong.insert(answer);
  }
  for (const auto& [category, counts] : right_of_all)
    EXPECT_GE(counts.first, 0.99 * counts.second) << category << ", such as: " << (wrong.empty() ? "" : *wrong.begin());
}

INSTANTIATE_TEST_SUITE_P(Sets, GarrisonAnswers,
                         testing::Values(NamedSet{"Base", kBase}, NamedSet{"Benign", kBenign},
                                         NamedSet{"Terse", kTerse}),
                         [](const auto& entry) { return entry.param.name; });

double mean_words(const std::vector<Dialogue>& dialogues) {
  double words = 0;
  for (const Dialogue& dialogue : dialogues)
    words += 1.0 + static_cast<double>(std::ranges::count(dialogue.messages.back().content, ' '));
  return words / static_cast<double>(dialogues.size());
}

TEST(Garrison, TerseAnswersAreFarShorter) { EXPECT_LT(mean_words(drawn(kTerse)), 0.6 * mean_words(drawn(kBase))); }

TEST(Garrison, BenignDialoguesDeclineNothing) {
  for (const Dialogue& dialogue : drawn(kBenign))
    for (const DialogueMessage& message : dialogue.messages)
      EXPECT_NE(classify_v2(message.content), message.role == "assistant" ? "refuse" : "-");
}

TEST(Garrison, EveryIntentHasManyWordings) {
  for (const Intent& intent : garrison().intents) {
    std::set<std::string> training, heldout;
    for (std::uint64_t i = 0; i < 400; ++i) {
      training.insert(
          synthesize_one(garrison(), static_cast<std::size_t>(&intent - garrison().intents.data()), {.plain = true}, i)
              .messages[0]
              .content);
      heldout.insert(synthesize_one(garrison(), static_cast<std::size_t>(&intent - garrison().intents.data()),
                                    {.split = WordingSplit::heldout, .plain = true}, i)
                         .messages[0]
                         .content);
    }
    EXPECT_GE(training.size(), 12u) << intent.id;
    EXPECT_GE(heldout.size(), 3u) << intent.id;
    for (const std::string& text : heldout) EXPECT_FALSE(training.contains(text)) << intent.id << ": " << text;
  }
}

}  // namespace
}  // namespace vauban::test
