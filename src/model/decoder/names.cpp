#include "model/decoder/names.h"


namespace vauban {
namespace {

std::string with_layer(const std::string& pattern, std::int64_t layer) {
  const std::size_t at = pattern.find("{}");
  return at == std::string::npos ? pattern : pattern.substr(0, at) + std::to_string(layer) + pattern.substr(at + 2);
}

}  // namespace

bool DecoderNames::is_recomputed(std::string_view name) const {
  if (name.ends_with("rotary_emb.inv_freq")) return true;
  for (const char* factors : {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"})
    if (name == factors) return true;
  for (const std::string& buffer : hf_buffers) {
    if (!name.ends_with("." + buffer)) continue;
    std::string_view layer = name.substr(0, name.size() - buffer.size());
    const std::size_t number = layer.find_first_of("0123456789");
    if (number == std::string_view::npos) continue;
    const std::string pattern = std::string(layer.substr(0, number)) + "{}.";
    if (pattern == hf_layer || hf_optional_prefix + pattern == hf_layer) return true;
  }
  return false;
}

TensorSpec DecoderNames::module(const ModuleName& name, std::int64_t layer, Shape shape) const {
  TensorSpec spec{.hf = (layer < 0 ? "" : with_layer(hf_layer, layer)) + name.hf,
                  .gguf = (layer < 0 ? "" : with_layer(gguf_layer, layer)) + name.gguf,
                  .shape = shape};
  if (!hf_optional_prefix.empty() && spec.hf.starts_with(hf_optional_prefix))
    spec.hf_alias = spec.hf.substr(hf_optional_prefix.size());
  return spec;
}

}  // namespace vauban
