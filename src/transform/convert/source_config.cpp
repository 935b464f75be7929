#include "transform/convert/source_config.h"

#include "transform/convert/config_forms.h"

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

Json ids_json(const std::vector<std::int32_t>& ids) {
  if (ids.empty()) return Json();
  return ids.size() == 1 ? Json(ids.front()) : Json(ids);
}

void set_ids(Json& config, const ModelConfig& c) {
  config["bos_token_id"] = c.bos_id >= 0 ? Json(c.bos_id) : Json();
  config["eos_token_id"] = ids_json(c.eos_ids);
}

}  // namespace

Json decoded_config(const ModelSource& source) {
  if (!source.compressed || !source.config.is_object()) return source.config;
  Json config = Json::object();
  for (const auto& [key, value] : source.config.entries())
    if (key != "quantization_config" && key != "compression_config") config[key] = value;
  return config;
}

Result<std::vector<GgufKey>> kept_config_keys(const ModelSource& source) {
  VB_TRY(std::string config, decoded_config(source).dump());
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
  if (out.config.is_object()) {
    const auto differences = differences_as_folder(out.config, source, model.config);
    out.restored = differences && differences->empty();
  }
  if (!out.restored) {
    VB_TRY(out.config, hf_config_json(source, *model.architecture, model.config));
    out.config["torch_dtype"] = torch_name(matrices);
    set_ids(out.config, model.config);
    out.generation_config = Json::object();
    set_ids(out.generation_config, model.config);
  }
  set_config_dtype(out.config, matrices);
  return out;
}

}  // namespace vauban
