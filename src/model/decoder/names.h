/// DecoderNames: what the tensors of a decoder are called. The defaults are Llama's in a folder and the common names of
/// GGUF files; an architecture overrides those that differ.
///
/// Names are of modules, without ".weight" and ".bias".
#pragma once

#include <string>

#include "model/tensor_map.h"

namespace vauban {

struct ModuleName {
  std::string hf, gguf;
};

struct DecoderNames {
  ModuleName embedding{"model.embed_tokens", "token_embd"};
  ModuleName positions{"", "position_embd"};
  ModuleName embedding_norm{"", "token_embd_norm"};
  ModuleName final_norm{"model.norm", "output_norm"};
  ModuleName head{"lm_head", "output"};

  std::string hf_layer = "model.layers.{}.", gguf_layer = "blk.{}.";  ///< before the names below
  ModuleName attn_norm{"input_layernorm", "attn_norm"};
  ModuleName attn_post_norm{"post_attention_layernorm", "post_attention_norm"};
  ModuleName mlp_norm{"post_attention_layernorm", "ffn_norm"};
  ModuleName mlp_post_norm{"post_feedforward_layernorm", "post_ffw_norm"};

  ModuleName q{"self_attn.q_proj", "attn_q"}, k{"self_attn.k_proj", "attn_k"}, v{"self_attn.v_proj", "attn_v"};
  ModuleName qkv{"self_attn.qkv_proj", "attn_qkv"}, o{"self_attn.o_proj", "attn_output"};
  ModuleName q_norm{"self_attn.q_norm", "attn_q_norm"}, k_norm{"self_attn.k_norm", "attn_k_norm"};
  ModuleName sinks{"self_attn.sinks", "attn_sinks.weight"};  ///< a vector: the whole name

  ModuleName gate{"mlp.gate_proj", "ffn_gate"}, up{"mlp.up_proj", "ffn_up"}, down{"mlp.down_proj", "ffn_down"};
  ModuleName gate_up{"mlp.gate_up_proj", "ffn_up"};

  /// Folders may leave this out in front of every name ("transformer."); empty: they may not.
  std::string hf_optional_prefix;
  /// Folders store linear weights as (in, out): GPT-2's Conv1D.
  bool hf_transposed = false;
  /// Names under which a folder keeps buffers that are recomputed, "{}" for the layer.
  std::vector<std::string> hf_buffers;

  /// A module of the whole model, or of a layer (>= 0).
  TensorSpec module(const ModuleName& name, std::int64_t layer, Shape shape) const;
  /// A name of hf_buffers in a layer.
  static std::string buffer(const std::string& pattern, std::int64_t layer);
};

}  // namespace vauban
