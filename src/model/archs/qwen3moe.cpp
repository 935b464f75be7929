/// Qwen3-MoE: a Qwen3 with experts.
///
/// Source: Yang et al. 2025 (arXiv 2505.09388); transformers Qwen3MoeForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const MoeSpec& moe, const SparseLayers& sparse) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  AttentionSpec attention = attention_spec(c);
  attention.qk_norm = QkNorm::per_head;
  attention.qk_norm_spec = c.decoder.norm;
  set_layers(c, in_all(attention), in_sparse(sparse, moe, mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "qwen3moe", {.default_context = 32768}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(const bool use_window, keys.config.flag_or("use_sliding_window", false));
  if (use_window) {
    VB_TRY(c.window, keys.config.count_or("sliding_window", has_key(source, "sliding_window") ? 0 : 4096));
  }
  VB_TRY(const std::int64_t experts, keys.config.count_or(keys.config.find("num_experts") ? "num_experts" : "num_local_experts", 128));
  VB_TRY(const std::int64_t chosen, keys.config.count_or("num_experts_per_tok", 8));
  VB_TRY(const std::int64_t width, keys.config.count_or("moe_intermediate_size", 768));
  VB_TRY(MoeSpec moe, moe_spec(c, experts, chosen, width));
  VB_TRY(moe.routing.normalise, keys.config.flag_or("norm_topk_prob", false));
  VB_TRY(const SparseLayers sparse, sparse_layers(keys.config));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), moe, sparse);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "qwen3moe");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "qwen3moe"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(MoeSpec moe, moe_spec(c, keys.config));
  moe.routing.normalise = true;  // the format has no key for it
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), moe, {});
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) {
  const MoeSpec moe = *experts_of(c);
  Json out = llama_like_config(c, "Qwen3MoeForCausalLM", "qwen3_moe");
  add_fields(out, {{"num_experts", moe.routing.experts}, {"num_experts_per_tok", moe.routing.chosen}, {"moe_intermediate_size", moe.width},
                   {"norm_topk_prob", moe.routing.normalise}, {"decoder_sparse_step", 1}, {"mlp_only_layers", Json::array()}, {"use_sliding_window", false}});
  return out;
}

}  // namespace

Architecture qwen3moe_architecture() {
  return {
      .id = "qwen3moe",
      .summary = "a Qwen3 with experts (Qwen3-30B-A3B and larger)",
      .hf_names = {"Qwen3MoeForCausalLM"},
      .gguf_names = {"qwen3moe"},
      .source = "arXiv 2505.09388; transformers Qwen3MoeForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
