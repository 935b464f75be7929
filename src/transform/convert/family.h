/// ConvertFamily: what converting an architecture needs beyond its tensor map: its hyper-parameters as GGUF keys and as
/// a config.json. One file per family, one line in families.cpp.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "format/gguf_writer.h"
#include "format/model_source.h"
#include "model/config.h"

namespace vauban {

struct ConvertFamily {
  std::string_view architecture;  ///< id in `list architectures`
  /// The `{arch}.*` keys of a Hugging Face source.
  Result<std::vector<GgufKey>> (*gguf_keys)(const ModelSource& source, const ModelConfig& config);
  /// Factors by which `rope_freqs.weight` divides each pair's frequency; empty where the keys say everything.
  Result<std::vector<float>> (*rope_factors)(const ModelSource& source, const ModelConfig& config);
  /// config.json of a GGUF source, without ids and dtype.
  Result<Json> (*hf_config)(const ModelSource& source, const ModelConfig& config);
};

std::span<const ConvertFamily> convert_families();
/// Errors: unsupported, naming the architecture and the known ones.
Result<const ConvertFamily*> find_convert_family(std::string_view architecture);

}  // namespace vauban
