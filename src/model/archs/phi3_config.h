/// Configurations of Phi-3, and its tensors: names in both formats and shapes.
///
/// Names and defaults are those of transformers' Phi3Config and of the `phi3.` keys of GGUF. Rope scaling beyond what
/// rope_scaling.h knows (longrope) is refused by name.
#pragma once

#include "format/model_source.h"
#include "model/config.h"
#include "model/tensor_map.h"

namespace vauban {

/// Errors: corrupt for missing or unfit values (file and key named), unsupported for unknown parts.
Result<ModelConfig> phi3_config_from_hf(const ModelSource& source);
Result<ModelConfig> phi3_config_from_gguf(const ModelSource& source);

struct Phi3LayerTensors {
  TensorSpec attn_norm, mlp_norm;  // (D)
  TensorSpec qkv, o;               // ((H + 2K)*d, D) (D, H*d)
  TensorSpec gate_up, down;        // (2F, D) (D, F)
};
Phi3LayerTensors phi3_layer_tensors(const ModelConfig& config, std::int64_t layer);

struct Phi3EndTensors {
  TensorSpec embedding, final_norm, head;  // (V, D) (D) (V, D)
};
Phi3EndTensors phi3_end_tensors(const ModelConfig& config);

TensorMap phi3_tensor_map(const ModelConfig& config);

}  // namespace vauban
