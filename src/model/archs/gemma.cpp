/// Gemma: norms that multiply by 1 + w, an embedding scaled by sqrt(D), a GELU gate, a tied head.
///
/// Source: Gemma Team 2024 (arXiv 2403.08295); transformers GemmaForCausalLM.
#include <cmath>

#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope) {
  c.activation = Activation::gelu_tanh;  // whatever config.json calls it
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  c.decoder.norm.hf_minus_one = true;
  c.decoder.embedding_scale = std::sqrt(static_cast<double>(c.width));
  set_layers(c, in_all(attention_spec(c)), in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "gemma", {.default_context = 8192, .default_head_dim = 256, .tied = true}));
  for (const char* key : {"hidden_act", "hidden_activation"}) {
    VB_TRY(const Activation named, read_activation(keys.config, key, "gelu_pytorch_tanh"));
    if (named != Activation::gelu_tanh && named != Activation::gelu_erf)
      return unsupported("{}: this architecture gates with GELU", keys.config.name(key));
  }
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "gemma");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "gemma"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) {
  Json out = llama_like_config(c, "GemmaForCausalLM", "gemma");
  out["hidden_activation"] = activation_name(c.activation);
  return out;
}

}  // namespace

Architecture gemma_architecture() {
  return {
      .id = "gemma",
      .summary = "scaled embedding, norms that multiply by 1 + w, GELU gate, tied head (Gemma 1)",
      .hf_names = {"GemmaForCausalLM"},
      .gguf_names = {"gemma"},
      .source = "arXiv 2403.08295; transformers GemmaForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
