/// Configurations of GPT-2, and its tensors: names in both formats and shapes.
///
/// Names and defaults are those of transformers' GPT2Config and of the `gpt2.` keys of GGUF. What this forward pass does
/// not know (cross attention, scores scaled by the layer's number) is refused by name.
#pragma once

#include "format/model_source.h"
#include "model/config.h"
#include "model/tensor_map.h"

namespace vauban {

/// Errors: corrupt for missing or unfit values (file and key named), unsupported for unknown parts.
Result<ModelConfig> gpt2_config_from_hf(const ModelSource& source);
Result<ModelConfig> gpt2_config_from_gguf(const ModelSource& source);

/// A layer norm is a pair of vectors; the linear layers are modules, without ".weight".
struct Gpt2LayerTensors {
  TensorSpec attn_norm, mlp_norm;   // (D), weight and bias each
  TensorSpec qkv, attn_out;         // (3D, D) (D, D)
  TensorSpec up, down;              // (F, D) (D, F)
};
Gpt2LayerTensors gpt2_layer_tensors(const ModelConfig& config, std::int64_t layer);

struct Gpt2EndTensors {
  TensorSpec embedding, positions, final_norm, head;  // (V, D) (N, D) (D) (V, D)
};
Gpt2EndTensors gpt2_end_tensors(const ModelConfig& config);

TensorMap gpt2_tensor_map(const ModelConfig& config);

}  // namespace vauban
