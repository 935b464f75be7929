/// OLMo 1: norms that learn nothing, and queries, keys and values clipped to a range.
///
/// Source: Groeneveld et al. 2024 (arXiv 2402.00838); transformers OlmoForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, double clip) {
  set_rope(c, std::move(rope));
  c.norm_epsilon = 1e-5;
  c.decoder.norm = layer_norm(c.norm_epsilon, false);
  c.decoder.norm.weight = false;
  AttentionSpec attention = attention_spec(c);
  attention.clip = clip;
  attention.gguf_pairs = true;
  set_layers(c, in_all(attention), in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "olmo"));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(const double clip, softcap_of(keys.config, source, "clip_qkv", 0.0));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), clip);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "olmo");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "olmo"));
  VB_TRY(const double clip, keys.config.find("attention.clamp_kqv") ? keys.config.positive("attention.clamp_kqv") : Result<double>(0.0));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), clip);
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "OlmoForCausalLM", "olmo");
  add_fields(out, {{"hidden_act", activation_name(c.activation)}, {"attention_bias", c.attention_bias}, {"clip_qkv", or_null(attention_of(c)->clip)}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture olmo_architecture() {
  return {
      .id = "olmo",
      .summary = "LayerNorm without weights, clipped projections (OLMo 1)",
      .hf_names = {"OlmoForCausalLM"},
      .gguf_names = {"olmo"},
      .source = "arXiv 2402.00838; transformers OlmoForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
