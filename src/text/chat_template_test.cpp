#include <gtest/gtest.h>

#include <chrono>

#include "base/result.h"
#include "support/test_data.h"
#include "text/chat_template.h"
#include "text/template/from_json.h"
#include "text/template/program.h"

namespace vauban::test {
namespace {

constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

std::shared_ptr<const ChatTemplate> made(std::string source) {
  auto parsed = ChatTemplate::parse(std::move(source));
  EXPECT_TRUE(parsed.has_value()) << describe(parsed.error());
  return parsed ? *parsed : nullptr;
}

Json message(std::string_view role, std::string_view content) {
  return Json::object({{"role", role}, {"content", content}});
}
Json conversation() {
  return Json::array({message("user", "hi"), message("assistant", "hello"), message("user", "bye"), message("assistant", "so long")});
}

std::string piece(const RenderedChat& chat, std::size_t i) {
  return chat.text.substr(chat.assistant[i].begin, chat.assistant[i].end - chat.assistant[i].begin);
}

Error error_of(const std::string& source, const jinja::Limits& limits = {}) {
  const auto program = jinja::Program::parse(source);
  if (!program) return program.error();
  const auto rendering = (*program)->render(jinja::Value(std::make_shared<const jinja::Dict>()), {}, limits);
  EXPECT_FALSE(rendering.has_value()) << source << " gave " << rendering->text.substr(0, 100);
  return rendering ? Error{} : rendering.error();
}

/// As Jinja2 on Python: a literal beyond the range is infinity, or zero.
TEST(ChatTemplate, NumbersBeyondTheRangeAreInfinite) {
  const auto program = jinja::Program::parse("{{ 1e999 }} {{ -1e999 }} {{ 1e400 > 5 }} {{ 1e-999 }} {{ 1e308 }}");
  VB_ASSERT_OK(program);
  const auto rendering = (*program)->render(jinja::Value(std::make_shared<const jinja::Dict>()), {}, {});
  VB_ASSERT_OK(rendering);
  EXPECT_EQ(rendering->text, "inf -inf True 0.0 1e+308");
}

TEST(ChatTemplate, TrainingFindsWhatTheAssistantWritesByComparingBeginnings) {
  const auto chat = render_for_training(*made(kChatMl), conversation(), Json::object());
  VB_ASSERT_OK(chat);
  ASSERT_EQ(chat->assistant.size(), 2U);
  EXPECT_EQ(piece(*chat, 0), "hello<|im_end|>\n");
  EXPECT_EQ(piece(*chat, 1), "so long<|im_end|>\n");
}

TEST(ChatTemplate, TrainingTakesGenerationBlocksWhereTheTemplateHasThem) {
  const auto chat = render_for_training(
      *made("{% for m in messages %}[{{ m.role }}]{% if m.role == 'assistant' %}{% generation %}{{ m.content }}</s>{% endgeneration %}"
            "{% else %}{{ m.content }}{% endif %}{% endfor %}"),
      conversation(), Json::object());
  VB_ASSERT_OK(chat);
  ASSERT_EQ(chat->assistant.size(), 2U);
  EXPECT_EQ(piece(*chat, 0), "hello</s>");
  EXPECT_EQ(piece(*chat, 1), "so long</s>");
}

TEST(ChatTemplate, TrainingRefusesATemplateThatRewritesEarlierMessages) {
  const auto forgetful = render_for_training(
      *made("{% for m in messages %}{{ m.content if loop.last or m.role == 'user' else m.content|upper }};{% endfor %}"), conversation(), Json::object());
  ASSERT_FALSE(forgetful.has_value());
  EXPECT_EQ(forgetful.error().code, ErrorCode::invalid_input);
  EXPECT_NE(describe(forgetful.error()).find("later messages"), std::string::npos);
  const auto no_prompt = render_for_training(
      *made("{% for m in messages %}{{ m.content }};{% endfor %}{% if add_generation_prompt %}>{% endif %}"), conversation(), Json::object());
  ASSERT_FALSE(no_prompt.has_value());
  EXPECT_NE(describe(no_prompt.error()).find("message 1"), std::string::npos);
}

TEST(ChatTemplate, TrainingRefusesGenerationBlocksWhosePlaceIsLost) {
  const auto lost = render_for_training(*made("{% macro f() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ f() }}"),
                                        conversation(), Json::object());
  ASSERT_FALSE(lost.has_value());
  EXPECT_EQ(lost.error().code, ErrorCode::unsupported);
}

TEST(ChatTemplate, KeysKeepTheirOrderInTextAndAreSortedInJson) {
  const auto tools = made("{{ tools|tojson }}");
  EXPECT_EQ(tools->render_json(R"({"tools":{"b":1,"a":[2.50,"é"]}})").value_or(""), R"({"b": 1, "a": [2.5, "é"]})");
  EXPECT_EQ(tools->render(Json::object({{"tools", Json::object({{"b", 1}, {"a", 2}})}})).value_or(""), R"({"a": 2, "b": 1})");
}

TEST(ChatTemplate, TheDateComesFromTheCallerOrNotAtAll) {
  const auto dated = made("{{ strftime_now('%d %b %Y') }}");
  const auto day = std::chrono::sys_days(std::chrono::year(2026) / 1 / 2);
  EXPECT_EQ(dated->render(Json::object(), {.now = day}).value_or(""), "02 Jan 2026");
  EXPECT_FALSE(dated->render(Json::object()).has_value());
}

TEST(ChatTemplate, ErrorsCarryTheLineAndTheTemplatesOwnWords) {
  EXPECT_NE(error_of("a\nb\n{{ 1 + 'x' }}").message.find("line 3"), std::string::npos);
  EXPECT_NE(error_of("\n{% if x %}\n{% endfor %}").message.find("line 3"), std::string::npos);
  EXPECT_NE(error_of("{{ raise_exception('only two roles') }}").message.find("only two roles"), std::string::npos);
}

TEST(ChatTemplate, EndlessTemplatesAreStopped) {
  for (const char* source : {
           "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(0) }}",
           "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
           "{% set ns = namespace(a='x') %}{% for i in range(99) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}",
           "{% set ns = namespace(a=[1]) %}{% for i in range(99) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}{{ ns.a }}",
           "{% set ns = namespace(a=[1]) %}{% for i in range(9999) %}{% set ns.a = [ns.a] %}{% endfor %}",
           "{{ 'x' * 9999999999 }}",
           "{{ '%99999999d' % 1 }}",
           "{% for t in [[1]] recursive %}{{ loop([t]) }}{% endfor %}",
           "{{ ('a' * 400000 + 'b') in ('a' * 800000) }}",
           "{{ ('a' * 800000).find('a' * 400000 + 'b') }}",
           "{{ ('a' * 800000).replace('a' * 400000 + 'b', '') }}",
       }) {
    const Error error = error_of(source);
    EXPECT_TRUE(error.code == ErrorCode::resource || error.code == ErrorCode::invalid_input) << source << describe(error);
  }
}

TEST(ChatTemplate, DeepSourcesAreRefusedWhenParsed) {
  const auto repeated = [](std::string_view part, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += part;
    return out;
  };
  for (const std::string& source : {"{{ " + repeated("(", 100000) + " }}", "{{ " + repeated("not ", 100000) + "x }}",
                                    "{{ x" + repeated(".a", 100000) + " }}", "{{ 1" + repeated("+1", 100000) + " }}",
                                    "{{ x" + repeated("|trim", 100000) + " }}", repeated("{% if x %}", 100000),
                                    "{{ " + repeated("-", 100000) + "1 }}", "{{ " + repeated("1 if ", 100000) + "1 }}"})
    EXPECT_FALSE(jinja::Program::parse(source).has_value()) << source.substr(0, 40);
}

TEST(ChatTemplate, ObjectsThatHoldEachOtherAreFreed) {
  const auto program = jinja::Program::parse("{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{% set a.me = a %}"
                                             "{% for x in [1] recursive %}{% set a.loop = loop %}{% endfor %}ok");
  VB_ASSERT_OK(program);
  const auto rendering = (*program)->render(jinja::Value(std::make_shared<const jinja::Dict>()));
  VB_ASSERT_OK(rendering);
  EXPECT_EQ(rendering->text, "ok");
}

TEST(ChatTemplate, BytesThatAreNoTextAreRefused) { EXPECT_FALSE(ChatTemplate::parse("a\xFF").has_value()); }

}  // namespace
}  // namespace vauban::test
