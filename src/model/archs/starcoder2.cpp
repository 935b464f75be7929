/// StarCoder2: LayerNorm, a plain GELU MLP, biases, a window.
///
/// Source: Lozhkov et al. 2024 (arXiv 2402.19173); transformers Starcoder2ForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

constexpr SizeNames kSizes{.head_dim = nullptr, .default_context = 4096, .tied = true};

ModelConfig decoder_of(ModelConfig c, RopeConfig rope) {
  set_rope(c, std::move(rope));
  c.decoder.norm = layer_norm(c.norm_epsilon);
  set_layers(c, in_all(attention_spec(c)), in_all(plain_mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "starcoder2", kSizes));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "gelu_pytorch_tanh"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("norm_epsilon", 1e-5));
  VB_TRY(c.attention_bias, keys.config.flag_or("use_bias", true));
  c.mlp_bias = c.attention_bias;
  VB_TRY(c.window, keys.config.count_or("sliding_window", 0));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "starcoder2");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "starcoder2"));
  c.activation = Activation::gelu_tanh;
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  c.attention_bias = keys.file.find("blk.0.attn_q.bias") != nullptr;
  c.mlp_bias = keys.file.find("blk.0.ffn_up.bias") != nullptr;
  if (keys.config.find("attention.sliding_window")) {  // of a file that was converted here; llama.cpp writes none
    VB_TRY(c.window, keys.config.count("attention.sliding_window"));
  }
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.up.hf = "mlp.c_fc";
  n.down.hf = "mlp.c_proj";
  return n;
}

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "Starcoder2ForCausalLM", "starcoder2", kSizes);
  add_fields(out, {{"norm_epsilon", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"use_bias", c.attention_bias},
                   {"sliding_window", or_null(c.window)}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture starcoder2_architecture() {
  return {
      .id = "starcoder2",
      .summary = "LayerNorm, plain GELU MLP, biases, a window (StarCoder 2)",
      .hf_names = {"Starcoder2ForCausalLM"},
      .gguf_names = {"starcoder2"},
      .source = "arXiv 2402.19173; transformers Starcoder2ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .llama_cpp = {.skips_window = true},
  };
}

}  // namespace vauban
