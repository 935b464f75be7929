/// The config.json of a model that came from a Hugging Face folder, kept in the GGUF so that the way back restores it.
///
/// GGUF keys hold what the layers compute, not the rest (torch_dtype, dropout, how a rope scaling was named). The files
/// travel as text in `vauban.source.config` and `vauban.source.generation_config`, and are believed on the way back
/// only where they describe the same network as the keys.
#pragma once

#include <vector>

#include "format/gguf_writer.h"
#include "format/model_source.h"
#include "model/model.h"
#include "transform/convert/model_tensors.h"

namespace vauban {

/// config.json of what the source holds once it is decoded: without the quantisation of its tensors.
Json decoded_config(const ModelSource& source);

Result<std::vector<GgufKey>> kept_config_keys(const ModelSource& source);

/// The type that config.json states for the matrices. A file that states none means float32, and keeps its silence.
void set_config_dtype(Json& config, DType matrices);

/// config.json and generation_config.json for a GGUF source whose matrices become `matrices`.
struct HfConfig {
  Json config, generation_config;
  bool restored = false;  ///< from the kept text, not from the keys
};
Result<HfConfig> hf_config_of(const ModelSource& source, const ModelTensors& model, DType matrices);

}  // namespace vauban
