// apply-template, generate --chat, and conversations in suites.
#include "base/result.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

constexpr const char* kTemplate =
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

void add_template(const Workspace& work) {
  for (const char* model : {"base", "changed"}) work.write(std::string(model) + "/chat_template.jinja", kTemplate);
}

TEST(ApplyTemplate, WritesTheExactBytes) {
  const Workspace work;
  add_template(work);
  work.write("messages.json", R"([{"role":"user","content":"hé"}])");
  const Outcome plain = work.run({"apply-template", "base", "--messages", "messages.json"});
  EXPECT_EQ(plain.exit_code, 0) << plain.err;
  EXPECT_EQ(plain.out, "<s><user>hé\n<assistant>");
  EXPECT_EQ(work.run({"apply-template", "base", "--messages", "messages.json", "--no-generation-prompt"}).out, "<s><user>hé\n");
}

TEST(ApplyTemplate, JsonHoldsTheIdsWithOneBos) {
  const Workspace work;
  add_template(work);
  work.write("messages.json", R"([{"role":"user","content":"a"}])");
  const Json answer = work.run({"apply-template", "base", "--messages", "messages.json", "--json"}).json();
  EXPECT_EQ(at(answer, {"text"}).as_string(), "<s><user>a\n<assistant>");
  const auto& ids = at(answer, {"ids"}).items();
  ASSERT_GT(ids.size(), 2U);
  EXPECT_EQ(ids[0].as_int(), 1);
  EXPECT_NE(ids[1].as_int(), 1);
}

TEST(ApplyTemplate, AnObjectIsPassedAsItStandsAndKeepsItsOrder) {
  const Workspace work;
  work.write("t.jinja", "{{ tools|tojson }}|{{ documents is defined }}|{{ extra }}|{{ strftime_now('%Y-%m-%d') }}");
  work.write("object.json", R"({"tools":[{"b":1,"a":2}]})");
  work.write("kwargs.json", R"({"extra":"e"})");
  const Outcome done = work.run({"apply-template", "--template", "t.jinja", "--messages", "object.json", "--kwargs", "kwargs.json",
                                 "--now", "2026-01-02T03:04:05"});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_EQ(done.out, R"([{"b": 1, "a": 2}]|False|e|2026-01-02)");
}

TEST(ApplyTemplate, RefusesWithTheReason) {
  const Workspace work;
  work.write("messages.json", "[]");
  EXPECT_NE(work.run({"apply-template", "base", "--messages", "messages.json"}).err.find("no chat template"), std::string::npos);
  work.write("t.jinja", "\n{{ raise_exception('boom') }}");
  const Outcome raised = work.run({"apply-template", "--template", "t.jinja", "--messages", "messages.json"});
  EXPECT_NE(raised.exit_code, 0);
  EXPECT_NE(raised.err.find("boom"), std::string::npos);
  EXPECT_NE(work.run({"apply-template", "--template", "t.jinja", "--messages", "messages.json", "--now", "today"}).exit_code, 0);
}

TEST(GenerateChat, GivesTheModelWhatItsTemplateMakes) {
  const Workspace work;
  EXPECT_NE(work.run({"generate", "base", "--prompt", "a", "--chat", "--max-tokens", "2"}).exit_code, 0);
  add_template(work);
  work.write("messages.json", R"([{"role":"user","content":"a"}])");
  const Json answer = work.run({"generate", "base", "--prompt", "a", "--chat", "--max-tokens", "2", "--json"}).json();
  EXPECT_EQ(at(answer, {"prompt_ids"}), at(work.run({"apply-template", "base", "--messages", "messages.json", "--json"}).json(), {"ids"}));
}

TEST(AuditChat, ConversationsOfASuiteAreRenderedByTheModelsTemplate) {
  const Workspace work;
  add_template(work);
  work.write("suite.toml", suite_toml({{"plain", "a", "once upon", ""}, {"sys", "a", "the end", "system = \"be kind\""}}));
  const Outcome done = work.audit("base", "changed", "out");
  EXPECT_EQ(done.exit_code, 4) << done.err;  // no gates
  EXPECT_EQ(read_text(work / "out/observations.jsonl").find("infra_error"), std::string::npos);
}

}  // namespace
}  // namespace vauban::test
