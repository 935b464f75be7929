/// The tensors of the Llama family: names in both formats, shapes, and the rows that GGUF stores as RoPE pairs.
#pragma once

#include "model/config.h"
#include "model/tensor_map.h"

namespace vauban {

/// q to down name linear layers: weight_of() and bias_of() give the stored tensors.
struct LlamaLayerTensors {
  TensorSpec attn_norm, mlp_norm;  // (D)
  TensorSpec q, k, v, o;           // (H*d, D) (K*d, D) (K*d, D) (D, H*d)
  TensorSpec gate, up, down;       // (F, D) (F, D) (D, F)
};
LlamaLayerTensors llama_layer_tensors(const ModelConfig& config, std::int64_t layer);

struct LlamaEndTensors {
  TensorSpec embedding, final_norm, head;  // (V, D) (D) (V, D); a tied model stores no head
};
LlamaEndTensors llama_end_tensors(const ModelConfig& config);

TensorMap llama_tensor_map(const ModelConfig& config);

}  // namespace vauban
