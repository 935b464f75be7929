#include "data/records/record.h"

#include "data/data_test.h"

namespace vauban::test {
namespace {

Json parse(std::string_view text) { return Json::parse(text).value(); }

std::string detected(std::string_view text, const RecordContext& context = {}) {
  const auto found = detect_format(parse(text), context);
  return found ? std::string((*found)->name) : describe(found.error());
}

struct Reader {
  std::shared_ptr<const ChatTemplate> conversation = marks_template();
  RecordContext context{.chat_template = conversation.get(), .bos = "<s>", .eos = "</s>"};

  Result<TrainingText> read(const RecordFormat& format, std::string_view text) const {
    return format.read(parse(text), context);
  }
  std::string error(const RecordFormat& format, std::string_view text) const {
    const auto read_text = read(format, text);
    return read_text ? "no error" : describe(read_text.error());
  }
};

std::string targets_of(const TrainingText& text) {
  std::string out;
  for (const TextSpan& span : text.targets) out += text.text.substr(span.begin, span.end - span.begin) + "|";
  return out;
}

TEST(RecordFormats, AreDetectedByTheirKeys) {
  EXPECT_EQ(detected(R"({"messages":[]})"), "chat");
  EXPECT_EQ(detected(R"({"messages":[],"tools":[],"id":3})"), "chat");
  EXPECT_EQ(detected(R"({"prompt":"a","completion":"b"})"), "prompt_completion");
  EXPECT_EQ(detected(R"({"instruction":"a","response":"b","system":"c","metadata":{}})"), "instruction");
  EXPECT_EQ(detected(R"({"text":"a"})"), "text");
  EXPECT_EQ(detected(R"({"story":"a"})", {.columns = {{"text", "story"}}}), "text");
}

TEST(RecordFormats, SayWhatWasFoundWhenNoneOrSeveralFit) {
  EXPECT_THAT(detected(R"({"prompt":"a","answer":"b"})"), testing::HasSubstr("found 'answer', 'prompt'"));
  EXPECT_THAT(detected(R"({"text":null})"), testing::HasSubstr("found 'text' (null)"));
  EXPECT_THAT(detected("{}"), testing::HasSubstr("found no keys"));
  EXPECT_THAT(detected("[1]"), testing::HasSubstr("expected a JSON object, found array"));
  EXPECT_THAT(detected(R"({"messages":[],"text":"a"})"), testing::HasSubstr("may be 'chat' or 'text'"));
}

TEST(RecordFormats, NameTheKeysThatTheyDoNotRead) {
  const Json record = parse(R"({"instruction":"a","response":"b","system_prompt":"c","input":"d"})");
  EXPECT_EQ(unused_keys(record, instruction_format(), {}), std::vector<std::string>{"system_prompt"});
  EXPECT_EQ(unused_keys(record, instruction_format(), {.columns = {{"system", "system_prompt"}}}), std::vector<std::string>{});
}

TEST(ChatRecord, HasTheAssistantsTurnsAsTargets) {
  const Reader reader;
  const auto text = reader.read(chat_format(), R"({"messages":[{"role":"user","content":"q1"},
      {"role":"assistant","content":"a1"},{"role":"user","content":"q2"},{"role":"assistant","content":"a2"}]})");
  VB_ASSERT_OK(text);
  EXPECT_EQ(text->text, "<s>[user]q1</s>\n[assistant]a1</s>\n[user]q2</s>\n[assistant]a2</s>\n");
  EXPECT_EQ(targets_of(*text), "a1</s>\n|a2</s>\n|");
  EXPECT_TRUE(text->rendered);
}

TEST(ChatRecord, PassesToolsAndFurtherVariablesToTheTemplate) {
  Reader reader;
  reader.conversation = chat_template(
      "{{ style }}{% if tools %}{{ tools[0].name }}{% endif %}{% for m in messages %}{% if m.role == 'assistant' %}>"
      "{% generation %}{{ m.content }}{% endgeneration %}{% endif %}{% endfor %}");
  reader.context.chat_template = reader.conversation.get();
  reader.context.template_variables = Json::object({{"style", "S:"}});
  const auto text = reader.read(chat_format(), R"({"messages":[{"role":"assistant","content":"a"}],"tools":[{"name":"f"}]})");
  VB_ASSERT_OK(text);
  EXPECT_EQ(text->text, "S:f>a");
  EXPECT_EQ(targets_of(*text), "a|");
}

TEST(ChatRecord, RefusesMalformedMessages) {
  const Reader reader;
  const RecordFormat chat = chat_format();
  EXPECT_THAT(reader.error(chat, R"({"messages":"hi"})"), testing::HasSubstr("expected a list of messages, found string"));
  EXPECT_THAT(reader.error(chat, R"({"messages":[]})"), testing::HasSubstr("nothing to learn"));
  EXPECT_THAT(reader.error(chat, R"({"messages":["hi"]})"), testing::HasSubstr("message 1"));
  EXPECT_THAT(reader.error(chat, R"({"messages":[{"content":"a"}]})"), testing::HasSubstr("string 'role', found none"));
  EXPECT_THAT(reader.error(chat, R"({"messages":[{"role":"user"}]})"), testing::HasSubstr("'content' in the message of 'user'"));
  EXPECT_THAT(reader.error(chat, R"({"messages":[{"role":"assistant","content":7}]})"), testing::HasSubstr("found integer"));
  EXPECT_THAT(reader.error(chat, R"({"messages":[{"role":"user","content":"a"}]})"), testing::HasSubstr("role 'assistant'"));
  EXPECT_THAT(reader.error(chat, R"({"messages":[{"role":"assistant","content":"a"}],"tools":{}})"),
              testing::HasSubstr("expected a list for 'tools'"));
}

TEST(ChatRecord, NeedsATemplate) {
  Reader reader;
  reader.context.chat_template = nullptr;
  EXPECT_THAT(reader.error(chat_format(), R"({"messages":[{"role":"assistant","content":"a"}]})"),
              testing::HasSubstr("chat template"));
}

TEST(PromptCompletionRecord, HasTheCompletionAsTarget) {
  const auto text = Reader().read(prompt_completion_format(), R"({"prompt":"é? ","completion":"yes"})");
  VB_ASSERT_OK(text);
  EXPECT_EQ(text->text, "é? yes");
  EXPECT_EQ(targets_of(*text), "yes|");
  EXPECT_FALSE(text->rendered);
  EXPECT_THAT(Reader().error(prompt_completion_format(), R"({"prompt":1,"completion":"b"})"),
              testing::HasSubstr("expected a string for 'prompt', found integer"));
}

TEST(InstructionRecord, IsOneTurnOfAConversation) {
  const auto text = Reader().read(instruction_format(),
                                  R"({"instruction":"add","input":"1 2","system":"be brief","response":"3"})");
  VB_ASSERT_OK(text);
  EXPECT_EQ(text->text, "<s>[system]be brief</s>\n[user]add\n\n1 2</s>\n[assistant]3</s>\n");
  EXPECT_EQ(targets_of(*text), "3</s>\n|");
  const auto bare = Reader().read(instruction_format(), R"({"instruction":"add","input":"","response":"3"})");
  VB_ASSERT_OK(bare);
  EXPECT_EQ(bare->text, "<s>[user]add</s>\n[assistant]3</s>\n");
}

TEST(TextRecord, IsATargetThroughout) {
  const auto text = Reader().read(text_format(), R"({"text":"all"})");
  VB_ASSERT_OK(text);
  EXPECT_EQ(targets_of(*text), "all|");
}

}  // namespace
}  // namespace vauban::test
