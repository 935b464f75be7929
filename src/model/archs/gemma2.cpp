/// Gemma 2: a Gemma with norms around attention and MLP, soft caps on scores and logits, and a window in every other layer.
///
/// Source: Gemma Team 2024 (arXiv 2408.00118); transformers Gemma2ForCausalLM.
#include <cmath>

#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

struct Gemma2 {
  double query_scale = 0.0, attention_softcap = 0.0;
  std::vector<bool> windowed;
};

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const Gemma2& own) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  c.decoder.norm.hf_minus_one = true;
  c.decoder.residuals = Residuals::around;
  c.decoder.embedding_scale = std::sqrt(static_cast<double>(c.width));
  set_layers(c, in_each([&](std::int64_t layer) {
               AttentionSpec attention = attention_spec(c, own.windowed[static_cast<std::size_t>(layer)]);
               attention.args.scale = own.query_scale;
               attention.args.softcap = own.attention_softcap;
               return attention;
             }),
             in_all(mlp_spec(c)));
  return c;
}

bool is_windowed(std::int64_t layer) { return layer % 2 == 0; }

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "gemma2", {.default_context = 8192, .default_head_dim = 256, .tied = true}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_activation", "gelu_pytorch_tanh"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(c.window, keys.config.count_or("sliding_window", has_key(source, "sliding_window") ? 0 : 4096));
  Gemma2 own;
  VB_TRY(const double scalar, keys.config.positive_or("query_pre_attn_scalar", 256.0));
  own.query_scale = 1.0 / std::sqrt(scalar);
  VB_TRY(own.attention_softcap, softcap_of(keys.config, source, "attn_logit_softcapping", 50.0));
  VB_TRY(c.decoder.logit_softcap, softcap_of(keys.config, source, "final_logit_softcapping", 30.0));
  VB_TRY(own.windowed, windowed_layers(keys.config, c, is_windowed));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), own);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "gemma2");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "gemma2"));
  c.activation = Activation::gelu_tanh;
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(c.window, keys.config.count_or("attention.sliding_window", 4096));
  Gemma2 own;
  VB_TRY(own.attention_softcap, keys.config.positive_or("attn_logit_softcapping", 50.0));
  VB_TRY(c.decoder.logit_softcap, keys.config.positive_or("final_logit_softcapping", 30.0));
  // The format has no key for the query scale. Of the published sizes only the one of 46 layers (27B) takes D / H.
  const double scalar = c.layers == 46 ? static_cast<double>(c.width) / static_cast<double>(c.heads) : static_cast<double>(c.head_dim);
  own.query_scale = 1.0 / std::sqrt(scalar);
  for (std::int64_t layer = 0; layer < c.layers; ++layer) own.windowed.push_back(is_windowed(layer));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), own);
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.mlp_norm.hf = "pre_feedforward_layernorm";
  return n;
}

Json hf_config(const ModelConfig& c) {
  const AttentionArgs args = attention_of(c)->args;
  Json out = write_hf_sizes(c, "Gemma2ForCausalLM", "gemma2");
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_activation", activation_name(c.activation)},
                   {"hidden_act", activation_name(c.activation)}, {"attention_bias", c.attention_bias}, {"sliding_window", or_null(c.window)},
                   {"query_pre_attn_scalar", std::round(1e6 / (args.scale * args.scale)) / 1e6},
                   {"attn_logit_softcapping", or_null(args.softcap)}, {"final_logit_softcapping", or_null(c.decoder.logit_softcap)}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture gemma2_architecture() {
  return {
      .id = "gemma2",
      .summary = "a Gemma with norms around its blocks, soft caps and alternating windows",
      .hf_names = {"Gemma2ForCausalLM"},
      .gguf_names = {"gemma2"},
      .source = "arXiv 2408.00118; transformers Gemma2ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
