/// Qwen3-Next: gated delta nets, every few layers attention with an output gate; experts with a gated shared one. Norms
/// multiply by 1 + w, but for the delta net's own.
///
/// Source: Qwen Team 2025, Qwen3-Next; transformers Qwen3NextForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/reading.h"
#include "model/decoder/gated_delta.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, GatedDeltaSpec delta, MoeSpec moe, const SparseLayers& sparse,
                       const std::vector<bool>& is_delta) {
  set_rope(c, std::move(rope));
  delta.norm = rms_norm(c.norm_epsilon);
  c.decoder.norm = rms_norm(c.norm_epsilon);
  c.decoder.norm.hf_minus_one = true;
  AttentionSpec attention = attention_spec(c);
  attention.gated = true;
  attention.qk_norm = QkNorm::per_head;
  attention.qk_norm_spec = c.decoder.norm;
  moe.shared_gate = true;
  set_layers(c, in_marked(is_delta, in_all(delta), in_all(attention)), in_sparse(sparse, moe, mlp_spec(c)));
  return c;
}

Result<GatedDeltaSpec> delta_spec(const ConfigKeys& keys) {
  GatedDeltaSpec delta;
  VB_TRY(delta.key_heads, keys.count_or("linear_num_key_heads", 16, ConfigKeys::kMaxHeads));
  VB_TRY(delta.value_heads, keys.count_or("linear_num_value_heads", 32, ConfigKeys::kMaxHeads));
  VB_TRY(delta.key_dim, keys.count_or("linear_key_head_dim", 128, ConfigKeys::kMaxHeads));
  VB_TRY(delta.value_dim, keys.count_or("linear_value_head_dim", 128, ConfigKeys::kMaxHeads));
  VB_TRY(const std::int64_t kernel, keys.count_or("linear_conv_kernel_dim", 4, ConfigKeys::kMaxHeads));
  if (delta.value_heads % delta.key_heads != 0)
    return corrupt("{}: {} value heads do not divide into {} key heads", keys.name("linear_num_value_heads"), delta.value_heads, delta.key_heads);
  if (kernel < 2) return unsupported("{}: a convolution over {} position is not known", keys.name("linear_conv_kernel_dim"), kernel);
  delta.kernel = static_cast<int>(kernel);
  return delta;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  const ConfigKeys& config = keys.config;
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "qwen3next", {.default_context = 32768, .default_head_dim = 256}));
  VB_TRY(c.activation, read_activation(config, "hidden_act", "silu"));
  if (c.activation != Activation::silu) return unsupported("{}: Qwen3-Next is known with silu only", config.name("hidden_act"));
  VB_TRY(c.norm_epsilon, config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, config.flag_or("attention_bias", false));
  VB_TRY(const GatedDeltaSpec delta, delta_spec(config));
  VB_TRY(const std::int64_t experts, config.count_or(config.find("num_experts") ? "num_experts" : "num_local_experts", 512));
  VB_TRY(const std::int64_t chosen, config.count_or("num_experts_per_tok", 10));
  VB_TRY(const std::int64_t width, config.count_or("moe_intermediate_size", 512));
  VB_TRY(MoeSpec moe, moe_spec(c, experts, chosen, width));
  VB_TRY(moe.routing.normalise, config.flag_or("norm_topk_prob", true));
  VB_TRY(moe.shared_width, config.count_or("shared_expert_intermediate_size", 512));
  VB_TRY(const SparseLayers sparse, sparse_layers(config));
  VB_TRY(const std::int64_t interval, config.count_or("full_attention_interval", 4));
  VB_TRY(const std::vector<bool> is_delta, layers_of_kind(config, c, "linear_attention", [&](std::int64_t layer) { return (layer + 1) % interval != 0; }));
  VB_TRY(RopeConfig rope, rope_from_hf(config, c.head_dim, c.context_length, {.default_share = 0.25}));
  return decoder_of(std::move(c), std::move(rope), delta, std::move(moe), sparse, is_delta);
}

DecoderNames names(const ModelConfig&) { return {}; }

}  // namespace

Architecture qwen3next_architecture() {
  return {
      .id = "qwen3next",
      .summary = "gated delta nets beside gated attention, with experts (Qwen3-Next); inference only",
      .hf_names = {"Qwen3NextForCausalLM"},
      .gguf_names = {},
      .source = "Qwen Team 2025; transformers Qwen3NextForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = nullptr,
      .names = names,
  };
}

}  // namespace vauban
