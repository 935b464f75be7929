#include "base/config/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/config/config_test_structs.h"
#include "base/config/layout.h"
#include "base/strings.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using config_test::Audit;
using ::testing::HasSubstr;
using ::testing::Not;

std::size_t count(std::string_view text, std::string_view piece) {
  std::size_t found = 0;
  for (std::size_t at = text.find(piece); at != std::string_view::npos; at = text.find(piece, at + 1)) ++found;
  return found;
}

void expect_narrow(const std::string& text) {
  for (const std::string_view line : split(text, '\n')) EXPECT_LE(line.size(), kTextWidth) << line;
  EXPECT_TRUE(text.ends_with('\n'));
}

const HelpInfo kCommand{.name = "vauban audit", .summary = "compare two models", .description = "One.\n\nTwo."};
const HelpInfo kFile{.name = "audit file", .summary = "what to compare", .command = false};

TEST(ConfigHelp, OfACommandLooksLikeThis) {
  const HelpInfo info{.name = "vauban ask", .summary = "ask one thing"};
  EXPECT_EQ(help_text<config_test::Prompt>(info), R"(usage: vauban ask [options]
ask one thing

Options:
  --id TEXT                   unique name of the prompt (required)
  --text TEXT                 what the model is asked (required)
  --category TEXT             group for metrics by category (default "default")
  --expected-behavior TEXT    what a good answer does (one of refuse, comply)
  --tags TEXT,...             free labels
  -h, --help                  print this and stop

In a config file only:
  [sampling]                  overrides for this prompt
    temperature = number      0 is greedy (0 to 2; default 0.0)
    top_k = integer           candidates kept (at least 1 tokens; default 40)
    min_p = number            least share of the best candidate (0 to 1; default
                              0.05)
)");
}

TEST(ConfigHelp, HasEachFieldOnce) {
  const std::string help = help_text<Audit>(kCommand);
  expect_narrow(help);
  EXPECT_THAT(help, HasSubstr("usage: vauban audit MODEL [EXTRA_MODELS ...] [options]\n"
                              "compare two models\n\nOne.\n\nTwo.\n"));
  for (const char* once :
       {"\n  MODEL ", "\n  EXTRA_MODELS ", "--max-tokens N ", "-s, --seed N ", "--memory N ", "--[no-]json ",
        "--[no-]record ", "--[no-]verbose ", "--alpha X ", "--beta X ", "--scorers TEXT,... ", "--layers N,... ",
        "--ids N,... ", "--alphas X,... ", "--weights X,... ", "--out DIR ", "basis = [[number, ...], ...]",
        "labels = { key = string, ... }", "extra = any value", "\n  [sampling] ", "\n  [[prompts]] ",
        "[prompts.sampling] ", "mode ", "(1 to 65536 tokens; default", "in bytes; default 0"})
    EXPECT_EQ(count(help, once), 1U) << once << "\n" << help;
  EXPECT_THAT(help, Not(HasSubstr("debug"))) << "a hidden field stays hidden";
}

TEST(ConfigHelp, OfAConfigFileShowsKeysInsteadOfFlags) {
  const std::string help = help_text<Audit>(kFile);
  expect_narrow(help);
  EXPECT_TRUE(help.starts_with("audit file\nwhat to compare\n\nKeys:\n")) << help;
  EXPECT_EQ(count(help, "max_tokens = integer"), 1U);
  EXPECT_THAT(help, Not(HasSubstr("--")));
}

TEST(ConfigManual, TellsEverythingThatIsDeclared) {
  const std::string page = man_text<Audit>(kCommand);
  expect_narrow(page);
  EXPECT_TRUE(page.starts_with("NAME\n    vauban audit - compare two models\n\nSYNOPSIS\n")) << page;
  EXPECT_THAT(page, HasSubstr("    --max-tokens N\n        New tokens per prompt. (1 to 65536 tokens; default 80)\n"));
  EXPECT_THAT(page, HasSubstr("Also: prompt_id."));
  EXPECT_THAT(page, HasSubstr("folder of that file"));
  EXPECT_EQ(count(page, "max"), 1U) << "once, as a flag";
  EXPECT_THAT(man_text<Audit>(kFile), HasSubstr("    max_tokens = integer\n"));
}

TEST(ConfigHelp, WrapsByCodePointAndKeepsLongWords) {
  const std::string word(90, 'x');
  EXPECT_EQ(wrapped("a " + word + " b", 2), "  a\n  " + word + "\n  b\n");
  std::string accents;
  for (int i = 0; i < 39; ++i) accents += "é ";
  EXPECT_EQ(count(wrapped(accents, 2), "\n"), 1U) << "77 columns, though 116 bytes";
  EXPECT_EQ(two_columns("left", "", 2, 10), "  left\n");
  EXPECT_EQ(two_columns("much too long", "x", 2, 10), "  much too long\n          x\n");
}

}  // namespace
}  // namespace vauban
