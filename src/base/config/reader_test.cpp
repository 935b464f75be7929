#include "base/config/reader.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/config/config_test_structs.h"
#include "base/config/toml.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using config_test::Audit;
using config_test::Prompt;

std::string refusal(std::string_view text) {
  const Result<Audit> config = read_toml<Audit>(text, "a.toml");
  if (config) return "accepted";
  EXPECT_EQ(config.error().code, ErrorCode::invalid_input);
  return config.error().message;
}

std::string hint_of(std::string_view text) {
  const Result<Audit> config = read_toml<Audit>(text, "a.toml");
  return config ? "accepted" : config.error().hint;
}

TEST(ConfigReader, ReadsEveryType) {
  const auto config = read_toml<Audit>(R"(model = "m.gguf"
extra_models = ["n.gguf", "/abs/o.gguf", "http://host/v1"]
max_tokens = 7
seed = -9223372036854775808
memory = 0xFF
json = true
record = false
verbose = false
alpha = 2
beta = 0.1
scorers = ["deterministic_v2"]
layers = [0, 3]
ids = [9223372036854775807]
alphas = [-1, 0.5]
weights = [0.1]
basis = [[1, 0.5], []]
labels = { a = "x", "b c" = "y" }
extra = { list = [1, "two", 3.5, { deep = true }] }
out = "runs/1"
[sampling]
temperature = 1
[[prompts]]
prompt_id = "p1"
prompt = "Hi?"
expected_behavior = "comply"
tags = ["t"]
[prompts.sampling]
top_k = 3
)",
                                      "conf/a.toml");
  VB_ASSERT_OK(config);
  EXPECT_EQ(config->model, "conf/m.gguf");
  EXPECT_EQ(config->extra_models, (std::vector<std::string>{"conf/n.gguf", "/abs/o.gguf", "http://host/v1"}));
  EXPECT_EQ(config->max_tokens, 7);
  EXPECT_EQ(config->seed, INT64_MIN);
  EXPECT_EQ(config->memory, 255U);
  EXPECT_TRUE(config->json);
  EXPECT_FALSE(config->record);
  EXPECT_EQ(config->verbose, false);
  EXPECT_EQ(config->alpha, 2.0);
  EXPECT_EQ(config->beta, 0.1F);
  EXPECT_EQ(config->scorers, (std::vector<std::string>{"deterministic_v2"}));
  EXPECT_EQ(config->layers, (std::vector<int>{0, 3}));
  EXPECT_EQ(config->ids, (std::vector<std::int64_t>{INT64_MAX}));
  EXPECT_EQ(config->alphas, (std::vector<double>{-1, 0.5}));
  EXPECT_EQ(config->weights, (std::vector<float>{0.1F}));
  EXPECT_EQ(config->basis, (std::vector<std::vector<double>>{{1, 0.5}, {}}));
  EXPECT_EQ(config->labels, (std::map<std::string, std::string>{{"a", "x"}, {"b c", "y"}}));
  EXPECT_EQ(config->extra, *Json::parse(R"({"list": [1, "two", 3.5, {"deep": true}]})"));
  EXPECT_EQ(config->out, "conf/runs/1");
  EXPECT_EQ(config->sampling.temperature, 1);
  EXPECT_EQ(config->sampling.top_k, 40);
  ASSERT_EQ(config->prompts.size(), 1U);
  EXPECT_EQ(config->prompts[0], (Prompt{"p1", "Hi?", "default", "comply", {"t"}, {{0, 3, 0.05F}}}));
}

TEST(ConfigReader, RefusesAnUnknownKeyAnywhereWithItsPlaceAndTheNearestKey) {
  EXPECT_EQ(refusal("model = 'm'\n\nmax_token = 3\n"), "a.toml:3:1: unknown key 'max_token'");
  EXPECT_EQ(hint_of("model = 'm'\n\nmax_token = 3\n"), "did you mean 'max_tokens'?");
  EXPECT_EQ(refusal("model = 'm'\n[smpling]\n"), "a.toml:2:2: unknown key 'smpling'");
  EXPECT_EQ(refusal("model = 'm'\n[[prompts]]\nid = 'a'\ntext = 'b'\n[prompts.sampling]\ntop_p = 1\n"),
            "a.toml:6:1: unknown key 'prompts[0].sampling.top_p'");
  EXPECT_EQ(refusal("model = 'm'\n[[prompts]]\nid = 'a'\ntext = 'b'\n[[prompts]]\nid='c'\ntext='d'\n  categry = 'x'\n"),
            "a.toml:8:3: unknown key 'prompts[1].categry'");
  EXPECT_EQ(refusal("model = 'm'\nsampling = { top_k = 2, 'odd key' = 1 }\n"),
            "a.toml:2:25: unknown key 'sampling.\"odd key\"'");
  EXPECT_EQ(hint_of("model = 'm'\n[sampling]\nzzzzzzzz = 1\n"), "known here: temperature, top_k, min_p");
}

TEST(ConfigReader, RefusesAWrongTypeSayingWhatItWantedAndFound) {
  EXPECT_EQ(refusal("model = 3\n"), "a.toml:1:9: key 'model': expected a string, found the integer 3");
  EXPECT_EQ(refusal("model = 'm'\nmax_tokens = 3.0"),
            "a.toml:2:14: key 'max_tokens': expected an integer, found the number 3.0");
  EXPECT_EQ(refusal("model = 'm'\nmax_tokens = '3'"),
            "a.toml:2:14: key 'max_tokens': expected an integer, found the string \"3\"");
  EXPECT_EQ(refusal("model = 'm'\njson = 1"), "a.toml:2:8: key 'json': expected true or false, found the integer 1");
  EXPECT_EQ(refusal("model = 'm'\nalpha = true"),
            "a.toml:2:9: key 'alpha': expected a number, found the boolean true");
  EXPECT_EQ(refusal("model = 'm'\ntags = 1"), "a.toml:2:1: unknown key 'tags'");
  EXPECT_EQ(refusal("model = 'm'\nscorers = 'deterministic_v1'"),
            "a.toml:2:11: key 'scorers': expected a list of strings, found the string \"deterministic_v1\"");
  EXPECT_EQ(hint_of("model = 'm'\nscorers = 'deterministic_v1'"), "put the value in brackets: [...]");
  EXPECT_EQ(refusal("model = 'm'\nlayers = [1,\n  'x']"),
            "a.toml:3:3: key 'layers[1]': expected an integer, found the string \"x\"");
  EXPECT_EQ(refusal("model = 'm'\nbasis = [[1], 2]"),
            "a.toml:2:15: key 'basis[1]': expected a list of numbers, found the integer 2");
  EXPECT_EQ(refusal("model = 'm'\nbasis = [[1, 'x']]"),
            "a.toml:2:14: key 'basis[0][1]': expected a number, found the string \"x\"");
  EXPECT_EQ(refusal("model = 'm'\nlabels = { a = 1 }"),
            "a.toml:2:16: key 'labels.a': expected a string, found the integer 1");
  EXPECT_EQ(refusal("model = 'm'\nlabels = []"),
            "a.toml:2:10: key 'labels': expected a table of strings, found an empty list");
  EXPECT_EQ(refusal("model = 'm'\nsampling = 1"), "a.toml:2:12: key 'sampling': expected a table, found the integer 1");
  EXPECT_EQ(refusal("model = 'm'\n[prompts]\nid = 'x'"),
            "a.toml:2:1: key 'prompts': expected a list of tables, found a table");
  EXPECT_EQ(refusal("model = 'm'\nprompts = ['x']"),
            "a.toml:2:12: key 'prompts[0]': expected a table, found the string \"x\"");
  EXPECT_EQ(refusal("model = 2020-01-02\n"),
            "a.toml:1:9: key 'model': expected a string, found the date or time 2020-01-02");
}

TEST(ConfigReader, RefusesNumbersOutOfRange) {
  EXPECT_EQ(refusal("model = 'm'\nmax_tokens = 0"),
            "a.toml:2:14: key 'max_tokens': expected 1 to 65536 tokens, found the integer 0");
  EXPECT_EQ(refusal("model = 'm'\nmax_tokens = 4294967297"),
            "a.toml:2:14: key 'max_tokens': expected an integer from -2147483648 to 2147483647, found 4294967297");
  EXPECT_EQ(refusal("model = 'm'\nmemory = -1"),
            "a.toml:2:10: key 'memory': expected an integer from 0 to 18446744073709551615, found -1");
  EXPECT_EQ(refusal("model = 'm'\nlayers = [0, -1]"),
            "a.toml:2:14: key 'layers[1]': expected at least 0, found the integer -1");
  EXPECT_EQ(refusal("model = 'm'\nalphas = [8.5]"),
            "a.toml:2:11: key 'alphas[0]': expected -8 to 8, found the number 8.5");
  EXPECT_EQ(refusal("model = 'm'\nsampling.temperature = 3"),
            "a.toml:2:24: key 'sampling.temperature': expected 0 to 2, found the integer 3");
  EXPECT_EQ(refusal("model = 'm'\nbeta = 1e39"),
            "a.toml:2:8: key 'beta': expected a number that a 32-bit float can hold, found 1e+39");
  EXPECT_EQ(refusal("model = 'm'\nalpha = 9007199254740993"),
            "a.toml:2:9: key 'alpha': expected a number, found the integer 9007199254740993, too big for an "
            "exact 64-bit float");
}

TEST(ConfigReader, RefusesNanAndInfinity) {
  EXPECT_EQ(refusal("model = 'm'\nalpha = nan"), "a.toml:2:9: key 'alpha': expected a finite number, found nan");
  EXPECT_EQ(refusal("model = 'm'\nalphas = [1, -inf]"),
            "a.toml:2:14: key 'alphas[1]': expected a finite number, found -inf");
  EXPECT_EQ(refusal("model = 'm'\nextra = [[inf]]"), "a.toml:2:11: key 'extra': expected a finite number, found inf");
}

TEST(ConfigReader, RefusesAValueThatIsNotAmongTheChoices) {
  EXPECT_EQ(refusal("model = 'm'\nscorers = ['deterministic_v3']"),
            "a.toml:2:12: key 'scorers[0]': expected one of deterministic_v1, deterministic_v2, found the string "
            "\"deterministic_v3\"");
  EXPECT_EQ(hint_of("model = 'm'\nscorers = ['determinstic_v2']"), "did you mean \"deterministic_v2\"?");
}

TEST(ConfigReader, RefusesAMissingRequiredKey) {
  EXPECT_EQ(refusal("max_tokens = 3\n"), "a.toml:1:1: missing required key 'model'");
  EXPECT_EQ(hint_of("max_tokens = 3\n"), "the model to audit");
  EXPECT_EQ(refusal("model = 'm'\n[[prompts]]\nid = 'a'\n"),
            "a.toml:2:1: missing required key 'prompts[0].text' (or 'prompt')");
}

struct Inner {
  std::string path;
};
void fields(Inner& c, FieldVisitor& f) { f("path", c.path, {.help = "where", .required = true}); }
struct Outer {
  Inner must;
  std::optional<Inner> may;
};
void fields(Outer& c, FieldVisitor& f) {
  f("must", c.must, {.help = "always there"});
  f("may", c.may, {.help = "only when given"});
}

TEST(ConfigReader, AsksForTheRequiredKeysOfATableThatCannotBeLeftOut) {
  EXPECT_EQ(read_toml<Outer>("", "o.toml").error().message, "o.toml:1:1: missing required key 'must.path'");
  const auto config = read_toml<Outer>("must.path = 'x'", "o.toml");
  VB_ASSERT_OK(config);
  EXPECT_FALSE(config->may.has_value());
  EXPECT_EQ(read_toml<Outer>("must.path = 'x'\n[may]\n", "o.toml").error().message,
            "o.toml:2:1: missing required key 'may.path'");
}

TEST(ConfigReader, RefusesTwoSpellingsOfOneKey) {
  EXPECT_EQ(refusal("model = 'm'\n[[prompts]]\nprompt = 'a'\ntext = 'b'\nid = 'c'\n"),
            "a.toml:4:1: key 'prompts[0].text' is given twice: as 'prompt' and as 'text'");
  EXPECT_NE(refusal("model = 'm'\nmodel = 'n'\n").find("a.toml:2:"), std::string::npos);
}

TEST(ConfigReader, ReportsIgnoredKeysAndWhatWasGiven) {
  ReadNotes notes;
  const auto config = read_toml<Audit>("mode = { any = [1, 2] }\nmodel = 'm'\ndebug_probe = 3\n[[prompts]]\n"
                                       "prompt_id = 'a'\ntext = 'b'\n",
                                       "a.toml", &notes);
  VB_ASSERT_OK(config);
  ASSERT_EQ(notes.notes.size(), 2U);
  EXPECT_EQ(notes.notes[0].path, "debug_probe");
  EXPECT_EQ(notes.notes[0].text, "it was only for debugging");
  EXPECT_EQ(notes.notes[1].path, "mode");
  EXPECT_EQ(notes.notes[1].pos, (SourcePos{1, 1}));
  EXPECT_FALSE(config->json) << "an ignored key must not reach the field it was bound to";
  EXPECT_TRUE(notes.was_given("model"));
  EXPECT_TRUE(notes.was_given("prompts[0].id")) << "under its canonical name";
  EXPECT_FALSE(notes.was_given("max_tokens"));
}

TEST(ConfigReader, ReadsJsonByTheSameRules) {
  const auto read = [](std::string_view text) { return from_json<Audit>(*Json::parse(text), "request"); };
  const auto good = read(R"({"model": "m", "seed": null, "memory": 18446744073709551615, "alpha": 1,
                            "prompts": [{"id": "a", "text": "b", "sampling": null}]})");
  VB_ASSERT_OK(good);
  EXPECT_EQ(good->memory, UINT64_MAX);
  EXPECT_FALSE(good->seed.has_value());
  EXPECT_FALSE(good->prompts[0].sampling.has_value());
  EXPECT_EQ(read(R"({"model": "m", "max_tokns": 1})").error().message, "request: unknown key 'max_tokns'");
  EXPECT_EQ(read(R"({"model": null})").error().message, "request: key 'model': expected a string, found null");
  EXPECT_EQ(read(R"([1])").error().message, "request: expected a table, found a list of 1");
  EXPECT_FALSE(read(R"({"model": "m", "extra": [null]})")) << "TOML could not write it";
}

TEST(ConfigReader, ReadsFilesAndSaysWhichIsMissing) {
  const test::TempDir folder;
  std::ofstream(folder / "a.toml") << "model = 'sub/../m'\n";
  const auto config = read_toml_file<Audit>(folder / "a.toml");
  VB_ASSERT_OK(config);
  EXPECT_EQ(config->model, (folder / "m").string());
  const auto absent = read_toml_file<Audit>(folder / "b.toml");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, ErrorCode::not_found);
}

TEST(ConfigReader, ResolvesOnlyRelativePaths) {
  EXPECT_EQ(resolve_path("a/b", "../c"), "a/c");
  EXPECT_EQ(resolve_path("", "c/../d"), "c/../d");
  EXPECT_EQ(resolve_path("a", "/c"), "/c");
  EXPECT_EQ(resolve_path("a", "-"), "-");
  EXPECT_EQ(resolve_path("a", ""), "");
  EXPECT_EQ(resolve_path("a", "https://x/y"), "https://x/y");
}

}  // namespace
}  // namespace vauban
