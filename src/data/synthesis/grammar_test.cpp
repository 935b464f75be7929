#include "data/synthesis/grammar.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "support/test_data.h"

namespace vauban {
namespace {

constexpr const char* kSmall = R"([[categories]]
name = "facts"
role = "benign"
expected_behavior = "comply"

[[tables]]
name = "gate"
columns = ["name", "opens"]
rows = ["north gate | six", "sea gate | five"]

[[slots]]
name = "ask"
values = ["When does {x} open?"]
heldout = ["At what time does {x} open?"]

[[intents]]
id = "opens"
category = "facts"
wordings = ["{ask}"]
heldout = ["{ask}"]
answers = ["At {gate.opens}."]
slots = [{ name = "x", values = ["the {gate.name}"] }]
)";

std::string fault_of(const std::string& toml) {
  const auto grammar = parse_grammar(toml, "g.toml");
  return grammar ? "" : describe(grammar.error());
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Grammar, ReadsASmallOne) {
  const auto grammar = parse_grammar(kSmall, "g.toml");
  VB_ASSERT_OK(grammar);
  ASSERT_EQ(grammar->intents.size(), 1u);
  EXPECT_EQ(grammar->categories[0].expected_behavior, "comply");
  EXPECT_EQ(grammar->tables.at("gate").rows[1][1], "five");
  EXPECT_EQ(grammar->digest.size(), 64u);
}

struct Fault {
  const char *from, *to, *message;
};

// Every check of the loader, with the fault planted.
const Fault kFaults[] = {
    {"answers = [", "answer = [", "unknown key 'intents[0].answer'"},
    {"{gate.opens}", "{gate.opened}", "g.toml:21:12: table 'gate' has no column 'opened'"},
    {"{gate.opens}", "{gates.opens}", "unknown table 'gates'; did you mean 'gate'?"},
    {"{gate.opens}", "{gate#3.opens}", "asks for 3 different rows, the table has 2"},
    {"{gate.opens}", "{hour}", "unknown slot 'hour' in 'At {hour}.'"},
    {"{gate.opens}", "{gate.opens", "without its partner"},
    {"the {gate.name}", "the {ask}", "contains itself"},
    {"sea gate | five", "sea gate", "has 2 columns, this row 1 cells"},
    {"category = \"facts\"", "category = \"fact\"", "g.toml:18:12: intent 'opens': unknown category 'fact'"},
    {"wordings = [\"{ask}\"]", "wordings = [\"{ask}\", \"{ask}.\"]", "is given twice"},
    {"heldout = [\"At what time does {x} open?\"]", "", "is held out, but training draws it too"},
    {"heldout = [\"At what time does {x} open?\"]", "heldout = [\"when does {x} open\"]",
     "is held out, but training draws it too"},
    {"answers = [\"At {gate.opens}.\"]", "", "has no answers, and neither has its category"},
    {"answers = [", "styles = [{ style = \"terse\", answers = [\"Six.\"] }]\nanswers = [", "unknown style 'terse'"},
    {"[[slots]]", "[[styles]]\nname = \"terse\"\n[[slots]]",
     "has no answers in style 'terse', and the style has no openers"},
    {"[[slots]]", "[[categories]]\nname = \"facts\"\n[[slots]]", "category 'facts' is given twice"},
    {"[[slots]]", "[[slots]]\nname = \"ask\"\nvalues = [\"x\"]\n[[slots]]", "slot 'ask' is given twice"},
    {"[[categories]]", "include = [\"other.toml\"]\n[[categories]]", "cannot include files"},
    {"[[categories]]", "[conversation]\nsystem_share = 0.5\n[[categories]]", "a share above 0 of 'systems'"},
    {"answers = [", "then_user = [\"And?\"]\nanswers = [", "then_user and then_answers belong together"},
};

TEST(Grammar, RefusesWhatContradictsItself) {
  for (const Fault& fault : kFaults) {
    const std::string message = fault_of(replaced(kSmall, fault.from, fault.to));
    EXPECT_NE(message.find(fault.message), std::string::npos) << fault.to << "\n  said: " << message;
  }
}

TEST(Grammar, IncludesFilesBesideIt) {
  const test::TempDir folder;
  const std::string text = kSmall;
  const std::size_t cut = text.find("[[intents]]");
  VB_ASSERT_OK(write_file_atomic(folder / "main.toml", "include = [\"part.toml\"]\n" + text.substr(0, cut)));
  VB_ASSERT_OK(write_file_atomic(folder / "part.toml", text.substr(cut)));
  const auto grammar = load_grammar(folder / "main.toml");
  VB_ASSERT_OK(grammar);
  EXPECT_EQ(grammar->intents.size(), 1u);

  VB_ASSERT_OK(write_file_atomic(folder / "part.toml", replaced(text.substr(cut), "{gate.opens}", "{gate.open}")));
  const auto broken = load_grammar(folder / "main.toml");
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().message.find("part.toml:6:12"), std::string::npos) << broken.error().message;

  VB_ASSERT_OK(write_file_atomic(folder / "part.toml", "[conversation]\nmax_turns = 2\n" + text.substr(cut)));
  const auto misplaced = load_grammar(folder / "main.toml");
  ASSERT_FALSE(misplaced);
  EXPECT_NE(misplaced.error().message.find("'conversation' belongs into the file"), std::string::npos);
}

}  // namespace
}  // namespace vauban
