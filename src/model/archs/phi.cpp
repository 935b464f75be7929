/// Phi 1, 1.5 and 2: attention and MLP side by side behind one LayerNorm, part of each head rotated, biases everywhere.
///
/// Source: Li et al. 2023 (arXiv 2309.05463); transformers PhiForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

constexpr SizeNames kSizes{.head_dim = nullptr};

ModelConfig decoder_of(ModelConfig c, RopeConfig rope) {
  set_rope(c, std::move(rope));
  c.attention_bias = c.mlp_bias = true;
  c.decoder.norm = layer_norm(c.norm_epsilon);
  c.decoder.residuals = Residuals::parallel;
  c.decoder.head_bias = true;
  set_layers(c, in_all(attention_spec(c)), in_all(plain_mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_CHECK(refuse_keys(keys.config, {"qk_layernorm"}));
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "phi", kSizes));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "gelu_new"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_eps", 1e-5));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.default_share = 0.5}));
  return decoder_of(std::move(c), std::move(rope));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "phi2");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "phi"));
  c.activation = Activation::gelu_tanh;
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.final_norm.hf = "model.final_layernorm";
  n.o.hf = "self_attn.dense";
  n.up.hf = "mlp.fc1";
  n.down.hf = "mlp.fc2";
  return n;
}

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "PhiForCausalLM", "phi", kSizes);
  add_fields(out, {{"layer_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation, "gelu_new")}, {"qk_layernorm", false}});
  add_rope(out, c, "rope_theta", "partial_rotary_factor");
  return out;
}

}  // namespace

Architecture phi_architecture() {
  return {
      .id = "phi",
      .summary = "parallel attention and MLP behind one LayerNorm, biases everywhere (Phi 1, 1.5, 2)",
      .hf_names = {"PhiForCausalLM"},
      .gguf_names = {"phi2"},
      .source = "arXiv 2309.05463; transformers PhiForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
