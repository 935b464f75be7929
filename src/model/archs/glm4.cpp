/// GLM-4 (0414): norms around attention and MLP, half of each head rotated in pairs side by side, a fused gate.
///
/// Source: GLM Team 2024 (arXiv 2406.12793); transformers Glm4ForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  c.decoder.residuals = Residuals::around;
  AttentionSpec attention = attention_spec(c);
  attention.out_bias = false;
  MlpSpec mlp = mlp_spec(c);
  mlp.fused = true;
  set_layers(c, in_all(attention), in_all(mlp));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "glm4", {.default_context = 131072, .default_head_dim = 128}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1.5625e-7));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length,
                                       {.default_share = 0.5, .layout = RopeLayout::interleaved}));
  return decoder_of(std::move(c), std::move(rope));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "glm4");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "glm4"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  c.attention_bias = keys.file.find("blk.0.attn_q.bias") != nullptr;
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length, RopeLayout::interleaved));
  return decoder_of(std::move(c), std::move(rope));
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.attn_post_norm.hf = "post_self_attn_layernorm";
  n.mlp_post_norm.hf = "post_mlp_layernorm";
  return n;
}

Json hf_config(const ModelConfig& c) {
  Json out = llama_like_config(c, "Glm4ForCausalLM", "glm4");
  add_rope(out, c, "rope_theta", "partial_rotary_factor");
  return out;
}

}  // namespace

Architecture glm4_architecture() {
  return {
      .id = "glm4",
      .summary = "norms around its blocks, half of each head rotated, fused gate (GLM-4 0414)",
      .hf_names = {"Glm4ForCausalLM"},
      .gguf_names = {"glm4"},
      .source = "arXiv 2406.12793; transformers Glm4ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
