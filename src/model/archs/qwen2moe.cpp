/// Qwen1.5-MoE and Qwen2-MoE: a Qwen2 with experts and a shared one behind a gate of its own.
///
/// Source: Yang et al. 2024 (arXiv 2407.10671); transformers Qwen2MoeForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, MoeSpec moe, const SparseLayers& sparse,
                       const std::vector<bool>& windowed) {
  c.attention_bias = true;
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  moe.shared_gate = moe.shared_width > 0;
  set_layers(c, in_each([&](std::int64_t layer) {
               AttentionSpec attention = attention_spec(c, windowed[static_cast<std::size_t>(layer)]);
               attention.out_bias = false;
               return attention;
             }),
             in_sparse(sparse, moe, mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "qwen2moe", {.default_context = 32768}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(const auto windowed, read_qwen_window(source, keys.config, c));
  VB_TRY(const std::int64_t experts, keys.config.count_or("num_experts", 60));
  VB_TRY(const std::int64_t chosen, keys.config.count_or("num_experts_per_tok", 4));
  VB_TRY(const std::int64_t width, keys.config.count_or("moe_intermediate_size", 1408));
  VB_TRY(MoeSpec moe, moe_spec(c, experts, chosen, width));
  VB_TRY(moe.routing.normalise, keys.config.flag_or("norm_topk_prob", false));
  VB_TRY(moe.shared_width, keys.config.count_or_zero("shared_expert_intermediate_size", 5632));
  VB_TRY(const SparseLayers sparse, sparse_layers(keys.config));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), std::move(moe), sparse, windowed);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "qwen2moe");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "qwen2moe"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(MoeSpec moe, moe_spec(c, keys.config));
  VB_TRY(moe.shared_width, keys.config.count("expert_shared_feed_forward_length"));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  const std::vector<bool> windowed(static_cast<std::size_t>(c.layers), false);
  return decoder_of(std::move(c), std::move(rope), std::move(moe), {}, windowed);
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) {
  const MoeSpec moe = *experts_of(c);
  Json out = write_hf_sizes(c, "Qwen2MoeForCausalLM", "qwen2_moe");
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"shared_expert_intermediate_size", moe.shared_width},
                   {"num_experts", moe.routing.experts}, {"num_experts_per_tok", moe.routing.chosen}, {"moe_intermediate_size", moe.width},
                   {"norm_topk_prob", moe.routing.normalise}, {"decoder_sparse_step", 1}, {"mlp_only_layers", Json::array()}, {"use_sliding_window", false}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture qwen2moe_architecture() {
  return {
      .id = "qwen2moe",
      .summary = "a Qwen2 with experts and a gated shared one (Qwen1.5-MoE, Qwen2-MoE)",
      .hf_names = {"Qwen2MoeForCausalLM"},
      .gguf_names = {"qwen2moe"},
      .source = "arXiv 2407.10671; transformers Qwen2MoeForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
