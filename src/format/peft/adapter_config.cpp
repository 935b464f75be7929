#include "format/peft/adapter_config.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/strings.h"

namespace vauban {
namespace {

std::string shown(const Json& value) {
  const Result<std::string> text = value.dump();
  return text ? printable(*text, 80) : std::string(value.type_name());
}

/// null, false, "", [] and {}: how PEFT writes a part that is not used.
bool is_off(const Json& value) {
  if (value.is_null() || (value.is_bool() && !value.as_bool())) return true;
  if (value.is_string()) return value.as_string().empty();
  return (value.is_array() || value.is_object()) && value.size() == 0;
}

/// The value, or null where the key is absent or off.
const Json* find_on(const Json& config, std::string_view key) {
  const Json* value = config.find(key);
  return value && !is_off(*value) ? value : nullptr;
}

Error unfit(std::string_view key, std::string_view expected, const Json& found) {
  return corrupt("key '{}': expected {}, found {}", key, expected, shown(found));
}

// ---- single values

Result<std::string> text_or(const Json& config, std::string_view key, std::string_view fallback) {
  const Json* value = find_on(config, key);
  if (!value) return std::string(fallback);
  if (!value->is_string()) return unfit(key, "a string", *value);
  return value->as_string();
}

Result<bool> flag_or(const Json& config, std::string_view key, bool fallback) {
  const Json* value = config.find(key);
  if (!value || value->is_null()) return fallback;
  if (!value->is_bool()) return unfit(key, "true or false", *value);
  return value->as_bool();
}

Result<std::int64_t> rank_from(std::string_view key, const Json& value) {
  if (!value.is_integer() || value.as_int() < 1 || value.as_int() > AdapterConfig::kMaxRank)
    return unfit(key, format("a rank from 1 to {}", AdapterConfig::kMaxRank), value);
  return value.as_int();
}

Result<double> alpha_from(std::string_view key, const Json& value) {
  if (!value.is_number() || !std::isfinite(value.as_double())) return unfit(key, "a number", value);
  return value.as_double();
}

Result<double> dropout_from(const Json& config) {
  const Json* value = config.find("lora_dropout");
  if (!value || value->is_null()) return 0.0;
  if (!value->is_number() || !(value->as_double() >= 0.0) || !(value->as_double() < 1.0))
    return unfit("lora_dropout", "a number in [0, 1)", *value);
  return value->as_double();
}

Result<AdapterBias> bias_from(const Json& config) {
  VB_TRY(const std::string text, text_or(config, "bias", "none"));
  if (text == "none") return AdapterBias::none;
  if (text == "all") return AdapterBias::all;
  if (text == "lora_only") return AdapterBias::lora_only;
  return corrupt("key 'bias': expected none, all or lora_only, found '{}'", printable(text));
}

std::string_view to_string(AdapterBias bias) {
  return bias == AdapterBias::all ? "all" : bias == AdapterBias::lora_only ? "lora_only" : "none";
}

// ---- lists and patterns

Result<std::vector<std::string>> names_from(std::string_view key, const Json& value) {
  std::vector<std::string> names;
  for (const Json& item : value.items()) {
    if (!item.is_string() || item.as_string().empty()) return unfit(key, "names", item);
    names.push_back(item.as_string());
  }
  std::sort(names.begin(), names.end());  // a set: PEFT writes it in any order
  return names;
}

/// A list of names or one name.
Result<std::vector<std::string>> names_or_none(const Json& config, std::string_view key) {
  const Json* value = find_on(config, key);
  if (!value) return std::vector<std::string>{};
  if (value->is_string()) return std::vector<std::string>{value->as_string()};
  if (!value->is_array()) return unfit(key, "a list of names", *value);
  return names_from(key, *value);
}

Result<ModuleChoice> choice_from(const Json& config, std::string_view key) {
  ModuleChoice choice;
  const Json* value = find_on(config, key);
  if (!value) return choice;
  if (value->is_string()) {
    choice.pattern = value->as_string();
    return choice;
  }
  if (!value->is_array()) return unfit(key, "a list of names or a regular expression", *value);
  VB_TRY(choice.names, names_from(key, *value));
  return choice;
}

Result<std::vector<std::int64_t>> layers_from(const Json& config) {
  std::vector<std::int64_t> layers;
  const Json* value = find_on(config, "layers_to_transform");
  if (!value) return layers;
  const Json::Array items = value->is_array() ? value->items() : Json::Array{*value};
  for (const Json& item : items) {
    if (!item.is_integer() || item.as_int() < 0) return unfit("layers_to_transform", "layer numbers from 0", *value);
    layers.push_back(item.as_int());
  }
  return layers;
}

template <class T>
Result<std::map<std::string, T>> patterns_from(const Json& config, std::string_view key,
                                               Result<T> (*read)(std::string_view, const Json&)) {
  std::map<std::string, T> patterns;
  const Json* value = find_on(config, key);
  if (!value) return patterns;
  if (!value->is_object()) return unfit(key, "an object of module patterns", *value);
  for (const auto& [pattern, number] : value->entries()) {
    VB_TRY(const T read_number, read(key, number), "for pattern '{}'", printable(pattern));
    patterns.emplace(pattern, read_number);
  }
  return patterns;
}

/// The initialisers named here leave the base alone; the others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) change its weights,
/// and how cannot be known from the adapter.
Result<std::string> init_from(const Json& config) {
  const Json* value = config.find("init_lora_weights");
  if (!value || value->is_null()) return std::string("true");
  if (value->is_bool()) return std::string(value->as_bool() ? "true" : "false");
  if (!value->is_string()) return unfit("init_lora_weights", "true, false or a name", *value);
  const std::string& name = value->as_string();
  constexpr std::array kKnown{"gaussian", "orthogonal", "eva"};
  if (std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end()) return name;
  return with_hint(unsupported("init_lora_weights '{}' is not supported: it changes the weights of the base",
                               printable(name)),
                   "convert the adapter to a plain one with PEFT: save_pretrained(path_initial_model_for_weight_conversion=...)");
}

// ---- what is refused

/// Keys that are read here, and keys that do not bear on what the adapter computes.
constexpr std::array<std::string_view, 24> kKnownKeys{
    "peft_type", "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "layers_to_transform",
    "layers_pattern", "rank_pattern", "alpha_pattern", "use_rslora", "fan_in_fan_out", "bias", "modules_to_save",
    "init_lora_weights", "task_type", "base_model_name_or_path",
    "auto_mapping", "inference_mode", "megatron_core", "peft_version", "revision", "runtime_config",
    "qalora_group_size"};  // the last one counts only with use_qalora

Result<void> refuse_other_methods(const Json& config) {
  VB_TRY(const std::string type, config.get_string("peft_type"));
  if (type != "LORA") return unsupported("PEFT type '{}' is not supported; known: LORA", printable(type));
  if (find_on(config, "use_dora")) return unsupported("DoRA (use_dora) is not supported; known: LoRA, rsLoRA");
  for (const auto& [key, value] : config.entries()) {
    if (is_off(value) || std::find(kKnownKeys.begin(), kKnownKeys.end(), key) != kKnownKeys.end()) continue;
    return unsupported("key '{}' is {}; this part of PEFT is not supported", printable(key), shown(value));
  }
  return ok();
}

Json to_json(const ModuleChoice& choice) {
  if (!choice.pattern.empty()) return choice.pattern;
  return choice.names.empty() ? Json() : Json(choice.names);
}

template <class T>
Json to_json(const std::map<std::string, T>& patterns) {
  Json object = Json::object();
  for (const auto& [pattern, value] : patterns) object[pattern] = value;
  return object;
}

template <class T>
Json list_or_null(const std::vector<T>& items) {
  return items.empty() ? Json() : Json(items);
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

/// 8, not 8.0: older readers expect an integer.
Json short_number(double value) {
  if (value == std::floor(value) && std::fabs(value) < 1e15) return static_cast<std::int64_t>(value);
  return value;
}

}  // namespace

double AdapterConfig::scale(double module_alpha, std::int64_t module_rank) const {
  const auto r = static_cast<double>(module_rank);
  return module_alpha / (use_rslora ? std::sqrt(r) : r);
}

Result<AdapterConfig> adapter_config_from_json(const Json& config) {
  if (!config.is_object()) return corrupt("expected a JSON object, found {}", config.type_name());
  VB_CHECK(refuse_other_methods(config));
  AdapterConfig c;
  if (const Json* rank = config.find("r")) {
    VB_TRY(c.rank, rank_from("r", *rank));
  }
  if (const Json* alpha = config.find("lora_alpha")) {
    VB_TRY(c.alpha, alpha_from("lora_alpha", *alpha));
  }
  VB_TRY(c.dropout, dropout_from(config));
  VB_TRY(c.target_modules, choice_from(config, "target_modules"));
  if (c.target_modules.empty())
    return corrupt("key 'target_modules': expected a list of names or a regular expression, found nothing");
  VB_TRY(c.exclude_modules, choice_from(config, "exclude_modules"));
  VB_TRY(c.layers_to_transform, layers_from(config));
  VB_TRY(c.layers_pattern, names_or_none(config, "layers_pattern"));
  VB_TRY(c.rank_pattern, patterns_from<std::int64_t>(config, "rank_pattern", rank_from));
  VB_TRY(c.alpha_pattern, patterns_from<double>(config, "alpha_pattern", alpha_from));
  VB_TRY(c.use_rslora, flag_or(config, "use_rslora", false));
  VB_TRY(c.fan_in_fan_out, flag_or(config, "fan_in_fan_out", false));
  VB_TRY(c.bias, bias_from(config));
  VB_TRY(c.modules_to_save, names_or_none(config, "modules_to_save"));
  VB_TRY(c.init, init_from(config));
  VB_TRY(c.task_type, text_or(config, "task_type", ""));
  if (!c.task_type.empty() && c.task_type != "CAUSAL_LM")
    return unsupported("task_type '{}' is not supported; known: CAUSAL_LM", printable(c.task_type));
  VB_TRY(c.base_model, text_or(config, "base_model_name_or_path", ""));
  return c;
}

Json to_json(const AdapterConfig& c) {
  const bool is_flag = c.init == "true" || c.init == "false";
  Json alphas = Json::object();
  for (const auto& [pattern, alpha] : c.alpha_pattern) alphas[pattern] = short_number(alpha);
  return Json::object({{"peft_type", "LORA"},
                       {"task_type", text_or_null(c.task_type)},
                       {"base_model_name_or_path", text_or_null(c.base_model)},
                       {"r", c.rank},
                       {"lora_alpha", short_number(c.alpha)},
                       {"lora_dropout", c.dropout},
                       {"target_modules", to_json(c.target_modules)},
                       {"exclude_modules", to_json(c.exclude_modules)},
                       {"layers_to_transform", list_or_null(c.layers_to_transform)},
                       {"layers_pattern", list_or_null(c.layers_pattern)},
                       {"rank_pattern", to_json(c.rank_pattern)},
                       {"alpha_pattern", std::move(alphas)},
                       {"use_rslora", c.use_rslora},
                       {"use_dora", false},
                       {"fan_in_fan_out", c.fan_in_fan_out},
                       {"bias", to_string(c.bias)},
                       {"modules_to_save", list_or_null(c.modules_to_save)},
                       {"init_lora_weights", is_flag ? Json(c.init == "true") : Json(c.init)},
                       {"inference_mode", true}});
}

}  // namespace vauban
