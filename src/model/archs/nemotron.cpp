/// Nemotron 4 and Minitron: LayerNorm that multiplies by 1 + w, a squared-ReLU MLP without a gate, half of each head rotated.
///
/// Source: Parmar et al. 2024 (arXiv 2402.16819); transformers NemotronForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope) {
  set_rope(c, std::move(rope));
  c.decoder.norm = layer_norm(c.norm_epsilon);
  c.decoder.norm.hf_minus_one = true;
  set_layers(c, in_all(attention_spec(c)), in_all(plain_mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "nemotron", {.default_context = 4096}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "relu2"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("norm_eps", 1e-5));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(c.mlp_bias, keys.config.flag_or("mlp_bias", false));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.default_share = 0.5}));
  return decoder_of(std::move(c), std::move(rope));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "nemotron");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "nemotron"));
  c.activation = Activation::relu_squared;
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  c.attention_bias = keys.file.find("blk.0.attn_q.bias") != nullptr;
  c.mlp_bias = keys.file.find("blk.0.ffn_up.bias") != nullptr;
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "NemotronForCausalLM", "nemotron");
  add_fields(out, {{"norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"attention_bias", c.attention_bias}, {"mlp_bias", c.mlp_bias}});
  add_rope(out, c, "rope_theta", "partial_rotary_factor");
  return out;
}

}  // namespace

Architecture nemotron_architecture() {
  return {
      .id = "nemotron",
      .summary = "LayerNorm by 1 + w, squared ReLU, partly rotated heads (Nemotron 4, Minitron)",
      .hf_names = {"NemotronForCausalLM"},
      .gguf_names = {"nemotron"},
      .source = "arXiv 2402.16819; transformers NemotronForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
