#include "transform/convert/chat_templates.h"

#include "base/files.h"
#include "text/fields.h"

namespace vauban {
namespace {

using Templates = std::map<std::string, std::string>;
constexpr std::size_t kMaxTemplateBytes = std::size_t{16} << 20;
constexpr std::string_view kKey = "tokenizer.chat_template";

std::string own_name(const std::string& name) { return name == "default" ? "" : name; }

Result<Templates> from_gguf(const Json& metadata) {
  Templates out;
  for (const auto& [key, value] : metadata.entries()) {
    if (!key.starts_with(kKey) || !value.is_string()) continue;
    if (key == kKey) out[""] = value.as_string();
    if (key.size() > kKey.size() + 1 && key[kKey.size()] == '.') out[key.substr(kKey.size() + 1)] = value.as_string();
  }
  return out;
}

Result<Templates> from_config(const Json& config) {
  Templates out;
  const Json* found = fields::present(config, "chat_template");
  if (!found) return out;
  if (found->is_string()) return Templates{{"", found->as_string()}};
  if (!found->is_array()) return corrupt("key 'chat_template': expected a text or a list, found {}", found->type_name());
  for (const Json& entry : found->items()) {
    VB_TRY(const std::string name, fields::string(entry, "name"), "in 'chat_template'");
    VB_TRY(std::string text, fields::string(entry, "template"), "in 'chat_template'");
    out[own_name(name)] = std::move(text);
  }
  return out;
}

}  // namespace

Result<Templates> chat_templates_of(const ModelSource& source) {
  if (source.is_gguf()) return from_gguf(source.file->metadata());
  VB_TRY(Templates out, from_config(source.tokenizer_config), "in tokenizer_config.json");
  if (source.chat_template) {  // the newer place wins, as in transformers
    VB_TRY(out[""], read_file(*source.chat_template, kMaxTemplateBytes));
  }
  return out;
}

Result<std::vector<GgufKey>> chat_templates_to_gguf(const ModelSource& source) {
  VB_TRY(const Templates templates, chat_templates_of(source));
  std::vector<GgufKey> keys;
  Json::Array names;
  for (const auto& [name, text] : templates) {
    keys.push_back(GgufKey::text(std::string(kKey) + (name.empty() ? "" : "." + name), text));
    if (!name.empty()) names.emplace_back(name);
  }
  if (!names.empty()) keys.push_back(GgufKey::list("tokenizer.chat_templates", GgufType::string, std::move(names)));
  return keys;
}

}  // namespace vauban
