/// Granite 3: a Llama with multipliers on the embedding, the residual stream, the scores and the logits.
///
/// Source: transformers GraniteForCausalLM; Yang et al. 2022 for such multipliers (arXiv 2203.03466).
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, double score_scale) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  AttentionSpec attention = attention_spec(c);
  attention.gguf_pairs = true;
  attention.args.scale = score_scale;
  set_layers(c, in_all(attention), in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "granite"));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(c.mlp_bias, keys.config.flag_or("mlp_bias", false));
  VB_TRY(c.decoder.embedding_scale, keys.config.positive_or("embedding_multiplier", 1.0));
  VB_TRY(c.decoder.residual_scale, keys.config.positive_or("residual_multiplier", 1.0));
  VB_TRY(const double divisor, keys.config.positive_or("logits_scaling", 1.0));
  c.decoder.logit_scale = 1.0 / divisor;
  VB_TRY(const double score_scale, keys.config.positive_or("attention_multiplier", 1.0));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), score_scale);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "granite");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "granite"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  c.attention_bias = keys.file.find("blk.0.attn_q.bias") != nullptr;
  c.mlp_bias = keys.file.find("blk.0.ffn_gate.bias") != nullptr;
  VB_TRY(c.decoder.embedding_scale, keys.config.positive_or("embedding_scale", 1.0));
  VB_TRY(c.decoder.residual_scale, keys.config.positive_or("residual_scale", 1.0));
  VB_TRY(const double divisor, keys.config.positive_or("logit_scale", 1.0));
  c.decoder.logit_scale = 1.0 / divisor;
  VB_TRY(const double score_scale, keys.config.positive_or("attention.scale", attention_spec(c).args.scale));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), score_scale);
}

DecoderNames names(const ModelConfig&) { return {}; }

void own_gguf_keys(const ModelConfig& c, GgufKeyList& keys) {
  keys.f32("embedding_scale", c.decoder.embedding_scale);
  keys.f32("residual_scale", c.decoder.residual_scale);
  keys.f32("logit_scale", 1.0 / c.decoder.logit_scale);  // a divisor
}

Json hf_config(const ModelConfig& c) {
  Json out = llama_like_config(c, "GraniteForCausalLM", "granite");
  add_fields(out, {{"mlp_bias", c.mlp_bias}, {"embedding_multiplier", c.decoder.embedding_scale},
                   {"residual_multiplier", c.decoder.residual_scale}, {"logits_scaling", 1.0 / c.decoder.logit_scale},
                   {"attention_multiplier", attention_of(c)->args.scale}});
  return out;
}

}  // namespace

Architecture granite_architecture() {
  return {
      .id = "granite",
      .summary = "a Llama with multipliers on embedding, residual stream, scores and logits (Granite 3)",
      .hf_names = {"GraniteForCausalLM"},
      .gguf_names = {"granite"},
      .source = "transformers GraniteForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
  };
}

}  // namespace vauban
