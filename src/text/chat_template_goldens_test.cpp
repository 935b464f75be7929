// The outside answers of ../shared/data/chat_templates: Jinja2 3.1.2 as transformers sets it up.
#include <gtest/gtest.h>

#include <cctype>
#include <chrono>
#include <cstdio>

#include "base/result.h"
#include "base/strings.h"
#include "support/test_data.h"
#include "text/template/from_json.h"
#include "text/template/program.h"
#include "text/template/python_text.h"

namespace vauban::test {
namespace {

using jinja::Program;
using jinja::Value;
using std::chrono::system_clock;

system_clock::time_point day(int year, unsigned month, unsigned date, int hours) {
  return std::chrono::sys_days(std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(date)) + std::chrono::hours(hours);
}

std::filesystem::path folder() { return shared_data() / "chat_templates"; }

struct Case {
  std::string name, source;
  Value context;
  jinja::Syntax syntax;
  std::optional<std::string> expected;  ///< nothing: an error
  system_clock::time_point now = day(2025, 7, 10, 12);
};

/// "" when the case passes, else what went wrong.
std::string failure_of(const Case& test) {
  const auto program = Program::parse(test.source, test.syntax);
  const auto rendering = program ? (*program)->render(test.context, test.now) : Result<jinja::Rendering>(program.error());
  if (!test.expected) return rendering ? "expected an error, got: " + rendering->text : "";
  if (!rendering) return "expected: " + *test.expected + "\n  error: " + describe(rendering.error());
  return rendering->text == *test.expected ? "" : "expected: " + *test.expected + "\n  found:    " + rendering->text;
}

int count_passes(const std::vector<Case>& cases) {
  int passed = 0;
  for (const Case& test : cases) {
    const std::string failure = failure_of(test);
    passed += failure.empty();
    EXPECT_EQ(failure, "") << test.name << "\n  template: " << test.source.substr(0, 300);
  }
  std::printf("%d of %zu cases pass\n", passed, cases.size());
  return passed;
}

const Value* member(const Value& value, std::string_view key) { return value.dict().find(key); }
std::string text_at(const Value& value, std::string_view key) {
  const Value* found = member(value, key);
  return found ? found->text() : "";
}

Value ordered(const std::filesystem::path& path) {
  auto value = jinja::from_json_text(read_text(path));
  return value ? *value : Value();
}

/// Where the file says that Jinja2 gives something else, that is what counts.
std::optional<std::string> jinja2_answer(const Value& row, std::string_view expected_key) {
  const Value* agrees = member(row, "jinja2_3.1.2_agrees");
  if (!agrees || agrees->truth()) return text_at(row, expected_key);
  const Value* output = member(row, "jinja2_3.1.2_output");
  if (output && output->is_string()) return output->text();
  return std::nullopt;
}

jinja::Syntax plain_syntax() { return {.trim_blocks = false, .lstrip_blocks = false, .keep_trailing_newline = false}; }

Value merged(const Value& first, const Value& second) {
  auto dict = std::make_shared<jinja::Dict>();
  for (const Value* part : {&first, &second})
    for (const auto& [key, value] : part->dict().entries()) (void)dict->set(key, value);
  return Value(std::shared_ptr<const jinja::Dict>(std::move(dict)));
}

TEST(ChatTemplateGoldens, RealTemplatesRenderAsJinja2DoesIn330Cases) {
  VB_NEED_SHARED("chat_templates/jinja2_goldens.json");
  std::vector<Case> cases;
  const Value document = ordered(folder() / "jinja2_goldens.json");
  for (const Value& row : member(document, "cases")->items()) {
    const std::string name = text_at(row, "template"), context = text_at(row, "context");
    Case test{.name = "goldens: " + name + " " + context,
              .source = read_text(folder() / "ik_templates" / name),
              .context = merged(ordered(folder() / "minja_contexts" / context), *member(row, "overrides")),
              .syntax = {},
              .expected = {}};
    if (member(row, "expected")) test.expected = text_at(row, "expected");
    cases.push_back(std::move(test));
  }
  EXPECT_EQ(cases.size(), 330U);
  EXPECT_EQ(count_passes(cases), 330);
}

TEST(ChatTemplateGoldens, SmallCasesOfThisProjectPass) {
  VB_NEED_SHARED("chat_templates/jinja2_more.jsonl");
  std::vector<Case> cases;
  const std::string content = read_text(folder() / "jinja2_more.jsonl");
  for (const std::string_view line : split(content, '\n')) {
    if (line.empty()) continue;
    const auto row = jinja::from_json_text(line);
    ASSERT_TRUE(row.has_value()) << line;
    Case test{.name = "more: " + text_at(*row, "template"), .source = text_at(*row, "template"),
              .context = *member(*row, "context"), .syntax = {}, .expected = {}, .now = day(2026, 1, 2, 3)};
    if (member(*row, "expected")) test.expected = text_at(*row, "expected");
    cases.push_back(std::move(test));
  }
  EXPECT_EQ(count_passes(cases), static_cast<int>(cases.size()));
}

struct FileCase {
  const char* file;
  std::size_t count;
};

void PrintTo(const FileCase& file, std::ostream* out) { *out << file.file; }

class ChatTemplateFiles : public ::testing::TestWithParam<FileCase> {};

TEST_P(ChatTemplateFiles, EveryCaseGivesWhatJinja2Gives) {
  const std::string file = GetParam().file;
  VB_NEED_SHARED("chat_templates/" + file);
  const Value document = ordered(folder() / file);
  const bool plain = file == "hfjs_templates.json";
  std::vector<Case> cases;
  for (const Value& row : member(document, "cases")->items()) {
    const Value* context = member(row, "context");
    Case test{.name = file + ": " + text_at(row, "name"), .source = text_at(row, "template"),
              .context = context ? *context : Value(), .syntax = plain ? plain_syntax() : jinja::Syntax(), .expected = {}};
    if (member(row, "needs_functions")) continue;  // functions that only JavaScript could give
    if (const Value* options = member(row, "options"))
      test.syntax = {.trim_blocks = member(*options, "trim_blocks")->truth(),
                     .lstrip_blocks = member(*options, "lstrip_blocks")->truth(),
                     .keep_trailing_newline = member(*options, "keep_trailing_newline")->truth()};
    if (file == "chat_template.json")
      test.context = merged(document, row);  // messages, add_generation_prompt; bos_token, eos_token
    // Plain Jinja2 does not know the tag that transformers adds.
    const bool generation = text_at(row, "jinja2_3.1.2_error").find("unknown tag 'generation'") != std::string::npos;
    if (!member(row, "expected_error_contains"))
      test.expected = generation ? text_at(row, "expected") : jinja2_answer(row, file == "chat_template.json" ? "expected_jinja" : "expected");
    // Jinja2 3.1.2 lets a template shorten the caller's list; transformers' sandbox of today refuses, and so do we.
    if (test.source.find(".pop(") != std::string::npos) test.expected = std::nullopt;
    cases.push_back(std::move(test));
  }
  EXPECT_EQ(cases.size(), GetParam().count);
  EXPECT_EQ(count_passes(cases), static_cast<int>(cases.size()));
}

INSTANTIATE_TEST_SUITE_P(All, ChatTemplateFiles,
                         ::testing::Values(FileCase{"chat_template.json", 33}, FileCase{"hfjs_e2e.json", 53},
                                           FileCase{"hfjs_templates.json", 157}, FileCase{"minja_syntax.json", 171},
                                           FileCase{"test_jinja.json", 265}),
                         [](const auto& tested) {
                           std::string name = tested.param.file;
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

}  // namespace
}  // namespace vauban::test
