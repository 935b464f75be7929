#include "transform/convert/source_config.h"

#include <algorithm>
#include <cmath>

#include "transform/convert/family.h"

namespace vauban {
namespace {

constexpr const char* kConfigKey = "vauban.source.config";
constexpr const char* kGenerationKey = "vauban.source.generation_config";

std::string torch_name(DType dtype) {
  return dtype == DType::f16 ? "float16" : dtype == DType::bf16 ? "bfloat16" : "float32";
}

Result<Json> kept(const ModelSource& source, const char* key) {
  const Json* text = source.file->metadata().find(key);
  if (!text || !text->is_string()) return Json();
  VB_TRY(Json json, Json::parse(text->as_string()), "in key '{}'", key);
  return json;
}

bool near(double a, double b) { return std::abs(a - b) <= 1e-6 * std::abs(a); }

bool near(const RopeTable& a, const RopeTable& b) {
  return a.layout == b.layout && near(a.attention_factor, b.attention_factor) &&
         std::ranges::equal(a.inverse_frequency, b.inverse_frequency, [](double x, double y) { return near(x, y); });
}

bool rotate_alike(const RopeSpec& a, const RopeSpec& b) {
  return near(a.table, b.table) && a.switch_length == b.switch_length && near(a.beyond, b.beyond) &&
         a.dynamic.has_value() == b.dynamic.has_value();
}

/// The same network, up to the f32 in which keys and factors are stored.
bool describe_the_same(const ModelConfig& a, const ModelConfig& b) {
  bool same = a.vocab_size == b.vocab_size && a.width == b.width && a.mlp_width == b.mlp_width && a.layers == b.layers &&
              a.heads == b.heads && a.kv_heads == b.kv_heads && a.head_dim == b.head_dim &&
              a.context_length == b.context_length && a.attention_bias == b.attention_bias && a.mlp_bias == b.mlp_bias &&
              a.tied_head == b.tied_head && a.window == b.window && a.activation == b.activation &&
              near(a.norm_epsilon, b.norm_epsilon) && near(a.rope_theta, b.rope_theta) &&
              a.decoder.ropes.size() == b.decoder.ropes.size();
  for (std::size_t i = 0; same && i < a.decoder.ropes.size(); ++i) same = rotate_alike(a.decoder.ropes[i], b.decoder.ropes[i]);
  return same;
}

bool fits(const Json& config, const ModelSource& source, const ModelTensors& model) {
  ModelSource folder;
  folder.path = source.path;
  folder.file = source.file;
  folder.config = config;
  const auto read = model.architecture->config_from_hf(folder);
  return read && describe_the_same(*read, model.config);
}

Json ids_json(const std::vector<std::int32_t>& ids) {
  if (ids.empty()) return Json();
  return ids.size() == 1 ? Json(ids.front()) : Json(ids);
}

void set_ids(Json& config, const ModelConfig& c) {
  config["bos_token_id"] = c.bos_id >= 0 ? Json(c.bos_id) : Json();
  config["eos_token_id"] = ids_json(c.eos_ids);
}

}  // namespace

Result<std::vector<GgufKey>> kept_config_keys(const ModelSource& source) {
  VB_TRY(std::string config, source.config.dump());
  std::vector<GgufKey> keys{GgufKey::text(kConfigKey, std::move(config))};
  if (source.generation_config.is_null()) return keys;
  VB_TRY(std::string generation, source.generation_config.dump());
  keys.push_back(GgufKey::text(kGenerationKey, std::move(generation)));
  return keys;
}

void set_config_dtype(Json& config, DType matrices) {
  const char* key = config.find("dtype") ? "dtype" : "torch_dtype";  // transformers 5 and before
  if (config.find(key) || matrices == DType::f16 || matrices == DType::bf16) config[key] = torch_name(matrices);
}

Result<HfConfig> hf_config_of(const ModelSource& source, const ModelTensors& model, DType matrices) {
  HfConfig out;
  VB_TRY(out.config, kept(source, kConfigKey));
  VB_TRY(out.generation_config, kept(source, kGenerationKey));
  out.restored = out.config.is_object() && fits(out.config, source, model);
  if (!out.restored) {
    VB_TRY(const ConvertFamily* family, find_convert_family(model.architecture->id));
    VB_TRY(out.config, family->hf_config(source, model.config));
    out.config["torch_dtype"] = torch_name(matrices);
    set_ids(out.config, model.config);
    out.generation_config = Json::object();
    set_ids(out.generation_config, model.config);
  }
  set_config_dtype(out.config, matrices);
  return out;
}

}  // namespace vauban
