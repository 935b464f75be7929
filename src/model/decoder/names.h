/// DecoderNames: what the tensors of a decoder are called. The defaults are Llama's in a folder and the common names of
/// GGUF files; an architecture overrides those that differ.
///
/// Names are of modules, without ".weight" and ".bias".
#pragma once

#include <string>
#include <string_view>
#include <vector>

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

  /// Experts; "{}" stands for the number of one.
  ModuleName router{"mlp.gate", "ffn_gate_inp"};
  ModuleName router_correction{"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"};  ///< a vector: the whole name
  ModuleName expert_gate{"mlp.experts.{}.gate_proj", "ffn_gate_exps"}, expert_up{"mlp.experts.{}.up_proj", "ffn_up_exps"};
  ModuleName expert_down{"mlp.experts.{}.down_proj", "ffn_down_exps"}, expert_gate_up{"mlp.experts.gate_up_proj", ""};
  ModuleName shared_gate{"mlp.shared_expert.gate_proj", "ffn_gate_shexp"};
  ModuleName shared_up{"mlp.shared_expert.up_proj", "ffn_up_shexp"};
  ModuleName shared_down{"mlp.shared_expert.down_proj", "ffn_down_shexp"};
  ModuleName shared_router{"mlp.shared_expert_gate", "ffn_gate_inp_shexp"};

  /// Latent attention (mla.h).
  ModuleName q_narrow{"self_attn.q_a_proj", "attn_q_a"}, q_narrow_norm{"self_attn.q_a_layernorm", "attn_q_a_norm"};
  ModuleName q_wide{"self_attn.q_b_proj", "attn_q_b"};
  ModuleName kv_narrow{"self_attn.kv_a_proj_with_mqa", "attn_kv_a_mqa"};
  ModuleName kv_narrow_norm{"self_attn.kv_a_layernorm", "attn_kv_a_norm"};
  ModuleName kv_wide{"self_attn.kv_b_proj", "attn_kv_b"}, k_wide{"", "attn_k_b"}, v_wide{"", "attn_v_b"};

  /// Recurrences (short_conv.h, mamba.h, gated_delta.h); decay rates, skips and biases of steps are vectors: the whole name.
  ModuleName conv_in{"conv.in_proj", "shortconv.in_proj"}, conv{"conv.conv", "shortconv.conv"};
  ModuleName conv_out{"conv.out_proj", "shortconv.out_proj"};
  ModuleName scan_in{"mixer.in_proj", "ssm_in"}, scan_conv{"mixer.conv1d", "ssm_conv1d"}, scan_x{"mixer.x_proj", "ssm_x"};
  ModuleName scan_dt{"mixer.dt_proj", "ssm_dt"}, scan_out{"mixer.out_proj", "ssm_out"};
  ModuleName scan_log_a{"mixer.A_log", "ssm_a"}, scan_skip{"mixer.D", "ssm_d"};
  ModuleName delta_qkvz{"linear_attn.in_proj_qkvz", "ssm_in"}, delta_ba{"linear_attn.in_proj_ba", "ssm_ba"};
  ModuleName delta_qkv{"linear_attn.in_proj_qkv", "attn_qkv"}, delta_z{"linear_attn.in_proj_z", "attn_gate"};
  ModuleName delta_conv{"linear_attn.conv1d", "ssm_conv1d"}, delta_norm{"linear_attn.norm", "ssm_norm"};
  ModuleName delta_out{"linear_attn.out_proj", "ssm_out"};
  ModuleName delta_log_a{"linear_attn.A_log", "ssm_a"}, delta_dt_bias{"linear_attn.dt_bias", "ssm_dt.bias"};

  /// Folders may leave this out in front of every name ("transformer."); empty: they may not.
  std::string hf_optional_prefix;
  /// Folders store linear weights as (in, out): GPT-2's Conv1D.
  bool hf_transposed = false;
  /// Names behind hf_layer under which a folder keeps buffers that are recomputed (causal masks).
  std::vector<std::string> hf_buffers;

  /// A module of the whole model, or of a layer (>= 0).
  TensorSpec module(const ModuleName& name, std::int64_t layer, Shape shape) const;
  /// Whether a tensor of a file, folder or GGUF, is no weight: a buffer of a layer, rotary frequencies or their factors.
  bool is_recomputed(std::string_view stored_name) const;
};

}  // namespace vauban
