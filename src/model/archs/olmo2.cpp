/// OLMo 2: norms behind attention and MLP instead of before them, and over the whole query and key projections.
///
/// Source: OLMo Team 2024 (arXiv 2501.00656); transformers Olmo2ForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  c.decoder.residuals = Residuals::after;
  AttentionSpec attention = attention_spec(c);
  attention.qk_norm = QkNorm::whole;
  attention.qk_norm_spec = c.decoder.norm;
  set_layers(c, in_all(attention), in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "olmo2"));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-5));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "olmo2");
  VB_CHECK(refuse_keys(keys.config, {"attention.sliding_window"}));
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "olmo2"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) { return llama_like_config(c, "Olmo2ForCausalLM", "olmo2"); }

}  // namespace

Architecture olmo2_architecture() {
  return {
      .id = "olmo2",
      .summary = "norms behind attention and MLP, and over whole queries and keys (OLMo 2)",
      .hf_names = {"Olmo2ForCausalLM"},
      .gguf_names = {"olmo2"},
      .source = "arXiv 2501.00656; transformers Olmo2ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
