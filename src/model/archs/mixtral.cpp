/// Mixtral: a Mistral with experts. Its GGUF files are of the llama architecture, with `expert_count`.
///
/// Source: Jiang et al. 2024 (arXiv 2401.04088); transformers MixtralForCausalLM.
#include "model/archs/mixtral.h"

#include "model/archs/archs.h"
#include "model/archs/reading.h"

namespace vauban {

ModelConfig mixtral_of(ModelConfig c, RopeConfig rope, MoeSpec moe) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  AttentionSpec attention = attention_spec(c);
  attention.gguf_pairs = true;
  moe.routing.normalise = true;
  set_layers(c, in_all(attention), in_all(std::move(moe)));
  return c;
}

DecoderNames mixtral_names() {
  DecoderNames n;
  n.router.hf = "block_sparse_moe.gate";
  n.expert_gate.hf = "block_sparse_moe.experts.{}.w1";
  n.expert_up.hf = "block_sparse_moe.experts.{}.w3";
  n.expert_down.hf = "block_sparse_moe.experts.{}.w2";
  return n;
}

namespace {

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "mixtral", {.default_context = 131072}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-5));
  VB_TRY(c.window, keys.config.count_or("sliding_window", 0));
  VB_TRY(const std::int64_t experts, keys.config.count_or("num_local_experts", 8));
  VB_TRY(const std::int64_t chosen, keys.config.count_or("num_experts_per_tok", 2));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.default_theta = 1e6}));
  VB_TRY(MoeSpec moe, moe_spec(c, experts, chosen, c.mlp_width));
  return mixtral_of(std::move(c), std::move(rope), std::move(moe));
}

DecoderNames names(const ModelConfig&) { return mixtral_names(); }

ModelConfig gguf_form(ModelConfig c) {
  c.architecture = "llama";
  return c;
}

}  // namespace

Architecture mixtral_architecture() {
  return {
      .id = "mixtral",
      .summary = "a Mistral with experts (Mixtral 8x7B, 8x22B)",
      .hf_names = {"MixtralForCausalLM"},
      .gguf_names = {},
      .source = "arXiv 2401.04088; transformers MixtralForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = nullptr,
      .names = names,
      .gguf_id = "llama",
      .gguf_form = gguf_form,
  };
}

}  // namespace vauban
