/// StableLM 2: LayerNorm, a quarter of each head rotated, gated MLP; the larger ones are parallel, with a norm for every head.
///
/// Source: Bellagente et al. 2024 (arXiv 2402.17834); transformers StableLmForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

constexpr SizeNames kSizes{.head_dim = nullptr, .default_context = 4096};

struct StableLm {
  bool parallel = false, qk_norm = false;
};

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const StableLm& own) {
  set_rope(c, std::move(rope));
  c.decoder.norm = layer_norm(c.norm_epsilon);
  if (own.parallel) c.decoder.residuals = Residuals::parallel;
  AttentionSpec attention = attention_spec(c);
  attention.out_bias = false;
  if (own.qk_norm) {
    attention.qk_norm = QkNorm::each_head;
    attention.qk_norm_spec = layer_norm(c.norm_epsilon, false);
    attention.hf_norm_per_head = ".norms.{}";
  }
  set_layers(c, in_all(attention), in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "stablelm", kSizes));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_eps", 1e-5));
  VB_TRY(c.attention_bias, keys.config.flag_or("use_qkv_bias", false));
  StableLm own;
  VB_TRY(own.parallel, keys.config.flag_or("use_parallel_residual", false));
  VB_TRY(own.qk_norm, keys.config.flag_or("qk_layernorm", false));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.default_share = 0.25}));
  return decoder_of(std::move(c), std::move(rope), own);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "stablelm");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "stablelm"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  c.attention_bias = keys.file.find("blk.0.attn_q.bias") != nullptr;
  const StableLm own{.parallel = keys.file.find("blk.0.ffn_norm.weight") == nullptr,
                     .qk_norm = keys.file.find("blk.0.attn_q_norm.weight") != nullptr};
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), own);
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.q_norm.hf = "self_attn.q_layernorm";
  n.k_norm.hf = "self_attn.k_layernorm";
  return n;
}

void own_gguf_keys(const ModelConfig& c, GgufKeyList& keys) { keys.flag("use_parallel_residual", is_parallel(c)); }

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "StableLmForCausalLM", "stablelm", kSizes);
  add_fields(out, {{"layer_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"use_qkv_bias", c.attention_bias},
                   {"use_parallel_residual", is_parallel(c)}, {"qk_layernorm", attention_of(c)->qk_norm != QkNorm::none}});
  add_rope(out, c, "rope_theta", "partial_rotary_factor");
  return out;
}

}  // namespace

Architecture stablelm_architecture() {
  return {
      .id = "stablelm",
      .summary = "LayerNorm, partly rotated heads, gated MLP (StableLM 2)",
      .hf_names = {"StableLmForCausalLM"},
      .gguf_names = {"stablelm"},
      .source = "arXiv 2402.17834; transformers StableLmForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
  };
}

}  // namespace vauban
