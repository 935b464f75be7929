#include "model/decoder/names.h"


namespace vauban {
namespace {

std::string with_layer(const std::string& pattern, std::int64_t layer) {
  const std::size_t at = pattern.find("{}");
  return at == std::string::npos ? pattern : pattern.substr(0, at) + std::to_string(layer) + pattern.substr(at + 2);
}

}  // namespace

std::string DecoderNames::buffer(const std::string& pattern, std::int64_t layer) { return with_layer(pattern, layer); }

TensorSpec DecoderNames::module(const ModuleName& name, std::int64_t layer, Shape shape) const {
  TensorSpec spec{.hf = (layer < 0 ? "" : with_layer(hf_layer, layer)) + name.hf,
                  .gguf = (layer < 0 ? "" : with_layer(gguf_layer, layer)) + name.gguf,
                  .shape = shape};
  if (!hf_optional_prefix.empty() && spec.hf.starts_with(hf_optional_prefix))
    spec.hf_alias = spec.hf.substr(hf_optional_prefix.size());
  return spec;
}

}  // namespace vauban
