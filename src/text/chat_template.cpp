#include "text/chat_template.h"

#include <algorithm>

#include "base/sha256.h"
#include "text/template/from_json.h"
#include "text/template/program.h"

namespace vauban {

ChatTemplate::ChatTemplate(std::string source, std::unique_ptr<const jinja::Program> program)
    : source_(std::move(source)), program_(std::move(program)) {}
ChatTemplate::~ChatTemplate() = default;

Result<std::shared_ptr<const ChatTemplate>> ChatTemplate::parse(std::string source) {
  VB_TRY(auto program, jinja::Program::parse(source));
  return std::shared_ptr<const ChatTemplate>(new ChatTemplate(std::move(source), std::move(program)));
}

Result<std::string> ChatTemplate::render(const Json& variables, const RenderOptions& options) const {
  VB_TRY(const jinja::Value values, jinja::from_json(variables));
  VB_TRY(jinja::Rendering rendering, program_->render(values, options.now), "in the chat template");
  return std::move(rendering.text);
}

Result<std::string> ChatTemplate::render_json(std::string_view variables, const RenderOptions& options) const {
  VB_TRY(const jinja::Value values, jinja::from_json_text(variables), "in the template's variables");
  VB_TRY(jinja::Rendering rendering, program_->render(values, options.now), "in the chat template");
  return std::move(rendering.text);
}

std::string ChatTemplate::digest() const {
  Sha256 digest;
  digest.update(source_);
  return digest.finish_hex();
}

Json chat_variables(const Json& messages, bool add_generation_prompt, std::string_view bos, std::string_view eos) {
  Json variables = Json::object({{"messages", messages},
                                 {"tools", Json()},
                                 {"documents", Json()},
                                 {"add_generation_prompt", add_generation_prompt}});
  if (!bos.empty()) variables["bos_token"] = bos;
  if (!eos.empty()) variables["eos_token"] = eos;
  return variables;
}

/// Renders the beginnings of one conversation.
struct TrainingRenderer {
  const ChatTemplate& chat_template;
  const Json::Array& messages;
  Json variables;
  const RenderOptions& options;

  Result<jinja::Rendering> beginning(std::size_t count, bool with_prompt) {
    variables["messages"] = Json(Json::Array(messages.begin(), messages.begin() + static_cast<std::ptrdiff_t>(count)));
    variables["add_generation_prompt"] = with_prompt;
    VB_TRY(const jinja::Value values, jinja::from_json(variables));
    VB_TRY(jinja::Rendering rendering, chat_template.program_->render(values, options.now),
           "in the chat template, with {} of {} messages", count, messages.size());
    return rendering;
  }

  /// What message `i` adds, which must be the assistant's.
  Result<TextSpan> written_by(std::size_t i, const std::string& whole) {
    VB_TRY(const jinja::Rendering before, beginning(i, true));
    VB_TRY(const jinja::Rendering after, beginning(i + 1, false));
    if (!after.text.starts_with(before.text))
      return with_hint(invalid_input("message {}: the prompt before it, with the start of an answer, is not the beginning of "
                                     "the text that ends with it", i),
                       "mark what the assistant writes with {% generation %} in the template");
    if (!whole.starts_with(after.text))
      return with_hint(invalid_input("message {}: its text changes when later messages follow, so that what the assistant wrote "
                                     "cannot be found in the whole", i),
                       "end the conversation at this message, or mark what the assistant writes with {% generation %}");
    return TextSpan{before.text.size(), after.text.size()};
  }
};

Result<RenderedChat> render_for_training(const ChatTemplate& chat_template, const Json& messages, const Json& extra_variables,
                                         const RenderOptions& options) {
  if (!messages.is_array()) return invalid_input("messages: expected an array, found {}", messages.type_name());
  Json variables = Json::object({{"tools", Json()}, {"documents", Json()}});
  for (const auto& [key, value] : extra_variables.entries()) variables[key] = value;
  TrainingRenderer renderer{chat_template, messages.items(), std::move(variables), options};
  VB_TRY(jinja::Rendering whole, renderer.beginning(messages.size(), false));
  if (whole.lost_generation)
    return unsupported("the chat template marks the assistant's text inside a macro or capture, where its place is not known");
  RenderedChat chat{.text = std::move(whole.text), .assistant = {}};
  for (const jinja::GenerationSpan& span : whole.generations) chat.assistant.push_back({span.begin, span.end});
  if (!chat.assistant.empty()) return chat;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const Json* role = messages.items()[i].find("role");
    if (!role || role->as_string() != "assistant") continue;
    VB_TRY(const TextSpan span, renderer.written_by(i, chat.text));
    chat.assistant.push_back(span);
  }
  return chat;
}

}  // namespace vauban
