#include "base/files.h"
#include "model/model.h"

namespace vauban {
namespace {

constexpr std::size_t kMaxTemplateBytes = std::size_t{1} << 24;

/// A text, or a list of {name, template}, of which the one named "default" counts.
Result<std::string> template_text(const Json& value, std::string_view where) {
  if (value.is_string()) return value.as_string();
  const Json* chosen = nullptr;
  for (const Json& item : value.items()) {
    const Json* name = item.find("name");
    if (name && name->as_string() == "default") chosen = item.find("template");
  }
  if (chosen && chosen->is_string()) return chosen->as_string();
  if (value.is_array() && !chosen)
    return unsupported("{}: {} named chat templates, and none of them is the \"default\"", where, value.size());
  return corrupt("{}: expected a chat template or a list of named ones with a \"default\", found {}", where, value.type_name());
}

/// Empty where the source carries none. A file of its own wins over the tokenizer's configuration, as in transformers.
Result<std::string> source_text(const ModelSource& source) {
  if (source.is_gguf()) {
    const Json* value = source.file->metadata().find("tokenizer.chat_template");
    return value ? template_text(*value, "key 'tokenizer.chat_template'") : Result<std::string>(std::string());
  }
  if (source.chat_template) return read_file(*source.chat_template, kMaxTemplateBytes);
  const Json* value = source.tokenizer_config.find("chat_template");
  if (!value || value->is_null()) return std::string();
  return template_text(*value, "tokenizer_config.json");
}

}  // namespace

Result<std::shared_ptr<const ChatTemplate>> load_chat_template(const ModelSource& source) {
  VB_TRY(std::string text, source_text(source), "in {}", source.path.string());
  if (text.empty()) return std::shared_ptr<const ChatTemplate>();
  VB_TRY(auto parsed, ChatTemplate::parse(std::move(text)), "in the chat template of {}", source.path.string());
  return parsed;
}

std::string special_text(const Tokenizer* tokenizer, std::optional<std::int32_t> id) {
  if (!tokenizer || !id) return {};
  return tokenizer->piece(*id).value_or("");
}

}  // namespace vauban
