#include "base/config/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/config/config_test_structs.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using config_test::Audit;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Args = std::vector<std::string>;

Error refused(const Args& args) {
  Audit config;
  const auto parsed = parse_flags(config, args, {.program = "vauban audit"});
  if (parsed) return Error{ErrorCode::internal, "accepted", {}, {}};
  EXPECT_EQ(parsed.error().code, ErrorCode::invalid_input);
  return parsed.error();
}

TEST(Flags, FillEveryKindOfField) {
  Audit config;
  const Args args{"m.gguf", "--max-tokens", "7", "--seed=-3", "--json", "--no-record", "--alpha", "-.5", "other",
                  "--layers", "0,1", "--layers=5", "--ids", "-9,8", "--alphas", "-1,0.5", "--out", "d",
                  "--memory", "18446744073709551615", "--scorers", "deterministic_v1,deterministic_v2", "--no-verbose"};
  const auto parsed = parse_flags(config, args);
  VB_ASSERT_OK(parsed);
  EXPECT_FALSE(parsed->help);
  EXPECT_EQ(config.model, "m.gguf");
  EXPECT_THAT(config.extra_models, ElementsAre("other"));
  EXPECT_EQ(config.max_tokens, 7);
  EXPECT_EQ(config.seed, -3);
  EXPECT_TRUE(config.json);
  EXPECT_FALSE(config.record);
  EXPECT_EQ(config.verbose, false);
  EXPECT_EQ(config.alpha, -0.5);
  EXPECT_THAT(config.layers, ElementsAre(0, 1, 5));
  EXPECT_THAT(config.ids, ElementsAre(-9, 8));
  EXPECT_THAT(config.alphas, ElementsAre(-1, 0.5));
  EXPECT_EQ(config.out, "d") << "not seen from any folder";
  EXPECT_EQ(config.memory, UINT64_MAX);
  EXPECT_THAT(config.scorers, ElementsAre("deterministic_v1", "deterministic_v2"));
  EXPECT_TRUE(parsed->was_given("max_tokens"));
  EXPECT_FALSE(parsed->was_given("beta"));
  EXPECT_EQ(parsed->given.front(), "model");
}

TEST(Flags, LeaveTheRestAsItWas) {
  Audit config;
  config.max_tokens = 5;
  config.model = "from a file";
  const auto parsed = parse_flags(config, Args{"--json"}, {.check_required = false});
  VB_ASSERT_OK(parsed);
  EXPECT_EQ(config.max_tokens, 5);
  EXPECT_EQ(config.model, "from a file");
  EXPECT_THAT(parsed->given, ElementsAre("json"));
}

TEST(Flags, KnowShortNamesEscapedCommasAndTheDoubleDash) {
  Audit config;
  const auto parsed = parse_flags(config, Args{"-s", "4", "--", "--model-that-starts-with-dashes", "a,b"});
  VB_ASSERT_OK(parsed);
  EXPECT_EQ(config.seed, 4);
  EXPECT_EQ(config.model, "--model-that-starts-with-dashes");
  EXPECT_THAT(config.extra_models, ElementsAre("a,b")) << "a bare argument is one item";
  config_test::Prompt prompt;
  VB_ASSERT_OK(parse_flags(prompt, Args{"--prompt-id", "i", "--text=a, b", "--tags", "x\\,y,z"}));
  EXPECT_EQ(prompt.id, "i") << "through its alias";
  EXPECT_EQ(prompt.text, "a, b");
  EXPECT_THAT(prompt.tags, ElementsAre("x,y", "z"));
}

TEST(Flags, TakeTextThatLooksLikeSomethingElse) {
  config_test::Prompt prompt;
  VB_ASSERT_OK(parse_flags(prompt, Args{"--id", "", "--text", "[1, 2] {x} 'y' \"z\" # = \n -5"}));
  EXPECT_EQ(prompt.id, "");
  EXPECT_EQ(prompt.text, "[1, 2] {x} 'y' \"z\" # = \n -5");
  config_test::Prompt quoted;
  VB_ASSERT_OK(parse_flags(quoted, Args{"--id=a=b", "--text=\"in quotes\"", "--tags", "[a,b]"}));
  EXPECT_EQ(quoted.id, "a=b");
  EXPECT_EQ(quoted.text, "\"in quotes\"");
  EXPECT_THAT(quoted.tags, ElementsAre("[a", "b]"));
}

TEST(Flags, TakeAnEmptyValueAfterTheEqualsSign) {
  config_test::Prompt prompt;
  VB_ASSERT_OK(parse_flags(prompt, Args{"--text=", "--id", "x"}));
  EXPECT_EQ(prompt.text, "");
  EXPECT_EQ(prompt.id, "x");
  EXPECT_EQ(refused({"m", "--seed=", "1"}).message,
            "vauban audit: flag '--seed': expected an integer, found the string \"\"");
  Audit config;
  VB_ASSERT_OK(parse_flags(config, Args{"--", "--out="}));
  EXPECT_EQ(config.model, "--out=") << "after the mark it is a bare argument";
}

TEST(Flags, AnEmptyPathIsNoPath) {
  for (const Args& args : {Args{""}, Args{"m", "--out", ""}, Args{"m", "--out="}, Args{"m", "other", ""}})
    EXPECT_THAT(refused(args).message, HasSubstr("expected a path, found an empty word"));
}

TEST(Flags, RefuseTextThatIsNotUtf8ButAllowSuchFileNames) {
  config_test::Prompt prompt;
  EXPECT_FALSE(parse_flags(prompt, Args{"--id=i", "--text=\xff"}));
  Audit config;
  VB_ASSERT_OK(parse_flags(config, Args{"\xff.gguf"}));
  EXPECT_EQ(config.model, "\xff.gguf");
}

TEST(Flags, RefuseAnUnknownFlagWithTheNearestOne) {
  const Error error = refused({"m", "--max-token", "3"});
  EXPECT_EQ(error.message, "vauban audit: unknown flag '--max-token'");
  EXPECT_EQ(error.hint, "did you mean '--max-tokens'?");
  EXPECT_EQ(refused({"m", "--no-recrd"}).hint, "did you mean '--no-record'?");
  EXPECT_EQ(refused({"m", "--zzzzzzzzzzzz=1"}).hint, "see vauban audit --help");
  EXPECT_EQ(refused({"m", "--prompts", "x"}).message, "vauban audit: unknown flag '--prompts'");
  EXPECT_EQ(refused({"m", "--mode", "x"}).message, "vauban audit: unknown flag '--mode'");
}

TEST(Flags, RefuseAnArgumentThatNobodyTakes) {
  config_test::Sampling sampling;
  const auto parsed = parse_flags(sampling, Args{"stray"}, {.program = "p"});
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message, "p: unexpected argument 'stray'");
  const auto marked = parse_flags(sampling, Args{"--", "--top-k"}, {.program = "p"});
  ASSERT_FALSE(marked);
  EXPECT_EQ(marked.error().message, "p: unexpected argument '--top-k'");
  VB_EXPECT_OK(parse_flags(sampling, Args{"--"}));
}

TEST(Flags, RefuseWhatTheReaderRefuses) {
  EXPECT_EQ(refused({"m", "--max-tokens", "0"}).message,
            "vauban audit: flag '--max-tokens': expected 1 to 65536 tokens, found the integer 0");
  EXPECT_EQ(refused({"m", "--max-tokens", "x"}).message,
            "vauban audit: flag '--max-tokens': expected an integer, found the string \"x\"");
  EXPECT_EQ(refused({"m", "--max-tokens", "3.5"}).message,
            "vauban audit: flag '--max-tokens': expected an integer, found the string \"3.5\"");
  EXPECT_EQ(refused({"m", "--layers", "1,,2"}).message,
            "vauban audit: flag '--layers'[1]: expected an integer, found the string \"\"");
  EXPECT_EQ(refused({"m", "--alpha", "nan"}).message,
            "vauban audit: flag '--alpha': expected a number, found the string \"nan\"");
  EXPECT_EQ(refused({"m", "--memory", "18446744073709551616"}).message,
            "vauban audit: flag '--memory': expected an integer, found the string \"18446744073709551616\"");
  EXPECT_THAT(refused({"m", "--scorers", "v9"}).message, HasSubstr("expected one of deterministic_v1"));
  EXPECT_NE(refused({"m", "--json=maybe"}).message, "accepted");
  EXPECT_NE(refused({"m", "--seed"}).message, "accepted");
}

TEST(Flags, RefuseAScalarGivenTwiceAndAMissingArgument) {
  EXPECT_EQ(refused({"m", "--seed", "1", "--seed=2"}).message, "vauban audit: flag '--seed' is given 2 times");
  EXPECT_EQ(refused({"m", "--json", "--no-json"}).message, "vauban audit: flag '--json' is given 2 times");
  const Error error = refused({"--json"});
  EXPECT_EQ(error.message, "vauban audit: missing argument 'MODEL': the model to audit");
  EXPECT_EQ(error.hint, "see vauban audit --help");
  config_test::Prompt prompt;
  const auto missing = parse_flags(prompt, Args{"--id", "x"}, {.program = "p"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "p: missing flag '--text': what the model is asked");
}

TEST(Flags, HelpWinsOverEveryOtherComplaint) {
  for (const Args& args : {Args{"--help"}, Args{"-h"}, Args{"m", "--nonsense", "--help"},
                           Args{"--max-tokens", "x", "-h"}, Args{"--help", "--seed"}}) {
    Audit config;
    const auto parsed = parse_flags(config, args);
    VB_ASSERT_OK(parsed);
    EXPECT_TRUE(parsed->help);
    EXPECT_EQ(config, Audit{});
  }
}

TEST(Flags, RandomWordsNeverThrow) {
  std::mt19937 random(3);
  const Args words{"--json", "-", "--", "---", "-s", "-s5", "-5", "--seed", "=", "--=", "--seed=", "", " ", "++", "{}",
                   "--no-json=false", "[]", "%%", "--layers", ",", "\xff", "-hx", "--max-tokens=9", "--out", "m", "/s",
                   "--json=true", "--ids=[1,2]", "\"", "'", "--help=3", "@file", "-h=0", "--scorers=,", "--alpha"};
  for (int round = 0; round < 5000; ++round) {
    Args args(random() % 6);
    for (std::string& arg : args) arg = words[random() % words.size()];
    Audit config;
    const auto parsed = parse_flags(config, args);
    EXPECT_TRUE(parsed || parsed.error().code == ErrorCode::invalid_input) << describe(parsed.error());
  }
}

}  // namespace
}  // namespace vauban
