// {"messages": [{"role", "content"}, ...], "tools"?}: a conversation, written by the model's own template.
#include <algorithm>

#include "base/strings.h"
#include "data/records/record.h"

namespace vauban {
namespace {

/// The template decides what a message may hold; what no template can render is refused here, with its place.
Result<void> check_message(const Json& message) {
  if (!message.is_object()) return invalid_input("expected an object with 'role', found {}", message.type_name());
  const Json* const role = message.find("role");
  if (!role || !role->is_string()) return invalid_input("expected a string 'role', found {}", role ? role->type_name() : "none");
  const Json* const content = message.find("content");
  if (content && !content->is_null() && !content->is_string() && !content->is_array())
    return invalid_input("expected text (or a list of parts) as 'content', found {}", content->type_name());
  if ((!content || content->is_null()) && !message.find("tool_calls"))
    return invalid_input("expected 'content' in the message of '{}', found none", printable(role->as_string(), 40));
  return ok();
}

bool of_assistant(const Json& message) { return message.find("role")->as_string() == "assistant"; }

Result<void> check_messages(const Json& messages) {
  if (!messages.is_array()) return invalid_input("expected a list of messages, found {}", messages.type_name());
  for (std::size_t i = 0; i < messages.size(); ++i) VB_CHECK(check_message(messages.items()[i]), "in message {}", i + 1);
  if (std::ranges::any_of(messages.items(), of_assistant)) return ok();
  return invalid_input("expected at least one message of the role 'assistant' among {}, found none: nothing to learn",
                       messages.size());
}

/// As transformers passes them: tools and documents are always there, as null when absent.
Json template_variables(const Json* tools, const RecordContext& context) {
  Json variables = Json::object({{"tools", nullptr}, {"documents", nullptr}});
  if (!context.bos.empty()) variables["bos_token"] = context.bos;
  if (!context.eos.empty()) variables["eos_token"] = context.eos;
  for (const auto& [name, value] : context.template_variables.entries()) variables[name] = value;
  if (tools) variables["tools"] = *tools;
  return variables;
}

Result<TrainingText> read_chat(const Json& record, const RecordContext& context) {
  const Json* const tools = find_column(record, context, "tools");
  if (tools && !tools->is_array()) return invalid_input("expected a list for 'tools', found {}", tools->type_name());
  const Json* const messages = find_column(record, context, "messages");
  return render_conversation(messages ? *messages : Json(), tools, context);
}

}  // namespace

Result<TrainingText> render_conversation(const Json& messages, const Json* tools, const RecordContext& context) {
  if (!context.chat_template)
    return with_hint(invalid_input("expected a model with a chat template, found none: conversations need one"),
                     "give a template, or use records of 'prompt' and 'completion'");
  VB_CHECK(check_messages(messages));
  VB_TRY(RenderedChat chat, render_for_training(*context.chat_template, messages, template_variables(tools, context),
                                                context.render));
  return TrainingText{.text = std::move(chat.text), .targets = std::move(chat.assistant), .rendered = true};
}

RecordFormat chat_format() {
  return {.name = "chat",
          .help = "messages with role and content; the loss covers the assistant's turns",
          .required = {"messages"},
          .optional = {"tools"},
          .whole_text = false,
          .read = read_chat};
}

}  // namespace vauban
