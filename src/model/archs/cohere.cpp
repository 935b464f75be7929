/// Cohere Command-R: attention and MLP side by side behind one LayerNorm, rotary pairs side by side, scaled logits.
///
/// Source: transformers CohereForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, bool qk_norm) {
  set_rope(c, std::move(rope));
  c.decoder.norm = layer_norm(c.norm_epsilon, false);
  c.decoder.residuals = Residuals::parallel;
  AttentionSpec attention = attention_spec(c);
  if (qk_norm) {
    attention.qk_norm = QkNorm::each_head;
    attention.qk_norm_spec = c.decoder.norm;
  }
  set_layers(c, in_all(attention), in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "cohere", {.default_context = 8192, .tied = true}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_eps", 1e-5));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(c.decoder.logit_scale, keys.config.positive_or("logit_scale", 0.0625));
  VB_TRY(const bool qk_norm, keys.config.flag_or("use_qk_norm", false));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.layout = RopeLayout::interleaved}));
  return decoder_of(std::move(c), std::move(rope), qk_norm);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "command-r");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "cohere"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  VB_TRY(c.decoder.logit_scale, keys.config.positive("logit_scale"));
  const bool qk_norm = keys.file.find("blk.0.attn_q_norm.weight") != nullptr;
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length, RopeLayout::interleaved));
  return decoder_of(std::move(c), std::move(rope), qk_norm);
}

DecoderNames names(const ModelConfig&) { return {}; }

void own_gguf_keys(const ModelConfig& c, GgufKeyList& keys) { keys.f32("logit_scale", c.decoder.logit_scale); }

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "CohereForCausalLM", "cohere");
  add_fields(out, {{"layer_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"attention_bias", c.attention_bias},
                   {"logit_scale", c.decoder.logit_scale}, {"use_qk_norm", attention_of(c)->qk_norm != QkNorm::none}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture cohere_architecture() {
  return {
      .id = "cohere",
      .summary = "parallel blocks behind one LayerNorm, scaled logits, tied head (Command-R)",
      .hf_names = {"CohereForCausalLM"},
      .gguf_names = {"command-r"},
      .source = "transformers CohereForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
      .llama_cpp = {.qk_norms_from_layers = 64},
  };
}

}  // namespace vauban
