/// How the scaling of rotary frequencies is written: `rope_scaling` of a config.json, or the `{arch}.rope.*` keys and factor
/// tensors of a GGUF. Names: llama.cpp's converter; model-files.md sections 2.2 and 8.
#pragma once

#include <string>
#include <vector>

#include "format/gguf_writer.h"
#include "format/model_source.h"
#include "model/model.h"

namespace vauban {

struct RopeFactors {
  std::string name;  ///< of the tensor
  std::vector<float> values;
};
struct GgufRope {
  std::vector<GgufKey> keys;
  std::vector<RopeFactors> factors;
  std::vector<std::string> notes;
};
/// Of a folder's config.json, in keys of the architecture `gguf`; llama3 is written as factors. They are f32, so positions agree with those of the folder to
/// f32, not to the last bit of f64. Errors: unsupported for a type that the format does not have (dynamic).
Result<GgufRope> rope_to_gguf(const Json& config, const ModelConfig& c, const Architecture& gguf);

/// `rope_scaling` of a GGUF; null for none. Errors: unsupported for factors that no known scaling makes.
Result<Json> rope_to_hf(const ModelSource& source, const ModelConfig& c, std::string_view gguf_arch);

}  // namespace vauban
