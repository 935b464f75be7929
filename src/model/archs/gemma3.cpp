/// Gemma 3 (text): a Gemma 2 without soft caps, with norms over query and key heads; five windowed layers, whose rotation
/// has a base of its own, to one that sees everything.
///
/// Source: Gemma Team 2025 (arXiv 2503.19786); transformers Gemma3ForCausalLM.
#include <cmath>

#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

struct Gemma3 {
  double query_scale = 0.0, attention_softcap = 0.0;
  std::vector<bool> windowed;
  RopeConfig everywhere, windowed_rope;
};

ModelConfig decoder_of(ModelConfig c, Gemma3 own) {
  set_rope(c, std::move(own.everywhere));
  c.decoder.ropes.push_back(std::move(own.windowed_rope.rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  c.decoder.norm.hf_minus_one = true;
  c.decoder.residuals = Residuals::around;
  c.decoder.embedding_scale = std::sqrt(static_cast<double>(c.width));
  set_layers(c, in_each([&](std::int64_t layer) {
               AttentionSpec attention = attention_spec(c);
               attention.args.scale = own.query_scale;
               attention.args.softcap = own.attention_softcap;
               attention.qk_norm = QkNorm::per_head;
               attention.qk_norm_spec = c.decoder.norm;
               attention.rope = own.windowed[static_cast<std::size_t>(layer)] ? 1 : 0;
               if (attention.rope == 0) attention.args.window = 0;
               return attention;
             }),
             in_all(mlp_spec(c)));
  return c;
}

/// The windowed layers' rotation is never scaled.
RopeConfig plain_rope(double theta, std::int64_t head_dim) {
  RopeConfig rope;
  rope.theta = theta;
  rope.rope.table.inverse_frequency = plain_frequencies(theta, head_dim);
  return rope;
}

Result<RopeConfig> windowed_rope(const ConfigKeys& keys, const ModelConfig& c) {
  double theta = 10000.0;
  VB_TRY(theta, keys.positive_or("rope_local_base_freq", theta));
  if (const Json* newer = keys.find("rope_parameters"); newer && newer->is_object() && newer->find("sliding_attention"))
    return rope_from_hf(keys, c.head_dim, c.context_length, {.layer_type = "sliding_attention"});
  return plain_rope(theta, c.head_dim);
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "gemma3", {.default_context = 131072, .default_head_dim = 256, .tied = true}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_activation", "gelu_pytorch_tanh"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(c.window, keys.config.count_or("sliding_window", has_key(source, "sliding_window") ? 0 : 4096));
  Gemma3 own;
  VB_TRY(const double scalar, keys.config.positive_or("query_pre_attn_scalar", 256.0));
  own.query_scale = 1.0 / std::sqrt(scalar);
  VB_TRY(own.attention_softcap, softcap_of(keys.config, source, "attn_logit_softcapping", 0.0));
  VB_TRY(c.decoder.logit_softcap, softcap_of(keys.config, source, "final_logit_softcapping", 0.0));
  const char* pattern_key = keys.config.find("_sliding_window_pattern") ? "_sliding_window_pattern" : "sliding_window_pattern";
  VB_TRY(const std::int64_t pattern, keys.config.count_or(pattern_key, 6));
  VB_TRY(own.windowed, windowed_layers(keys.config, c, [&](std::int64_t i) { return (i + 1) % pattern != 0; }));
  VB_TRY(own.everywhere, rope_from_hf(keys.config, c.head_dim, c.context_length,
                                      {.default_theta = 1e6, .layer_type = "full_attention"}));
  VB_TRY(own.windowed_rope, windowed_rope(keys.config, c));
  return decoder_of(std::move(c), std::move(own));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "gemma3");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "gemma3"));
  c.activation = Activation::gelu_tanh;
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(c.window, keys.config.count_or("attention.sliding_window", 4096));
  VB_CHECK(refuse_keys(keys.config, {"attn_logit_softcapping", "final_logit_softcapping"}));
  Gemma3 own;
  // The format has no key for the query scale. Of the published sizes only the one of 62 layers (27B) takes D / H.
  const double scalar = c.layers == 62 ? static_cast<double>(c.width) / static_cast<double>(c.heads) : static_cast<double>(c.head_dim);
  own.query_scale = 1.0 / std::sqrt(scalar);
  for (std::int64_t layer = 0; layer < c.layers; ++layer) own.windowed.push_back((layer + 1) % 6 != 0);
  VB_TRY(own.everywhere, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  VB_TRY(const double theta, keys.config.positive_or("rope.freq_base_swa", 10000.0));
  own.windowed_rope = plain_rope(theta, c.head_dim);
  return decoder_of(std::move(c), std::move(own));
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.mlp_norm.hf = "pre_feedforward_layernorm";
  return n;
}

/// theta^(-2/d) is the second of d/2 frequencies.
double theta_of(const RopeTable& table) {
  const std::vector<double>& all = table.inverse_frequency;
  return all.size() < 2 ? 10000.0 : std::pow(all[1], -static_cast<double>(all.size()));
}

void own_gguf_keys(const ModelConfig& c, GgufKeyList& keys) { keys.f32("rope.freq_base_swa", theta_of(c.decoder.ropes[1].table)); }

Json hf_config(const ModelConfig& c) {
  const AttentionArgs args = attention_of(c)->args;
  Json out = write_hf_sizes(c, "Gemma3ForCausalLM", "gemma3_text");
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_activation", activation_name(c.activation)},
                   {"attention_bias", c.attention_bias}, {"sliding_window", or_null(c.window)}, {"sliding_window_pattern", 6},
                   {"query_pre_attn_scalar", std::round(1e6 / (args.scale * args.scale)) / 1e6},
                   {"attn_logit_softcapping", or_null(args.softcap)}, {"final_logit_softcapping", or_null(c.decoder.logit_softcap)},
                   {"rope_local_base_freq", std::round(1e6 * theta_of(c.decoder.ropes[1].table)) / 1e6}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture gemma3_architecture() {
  return {
      .id = "gemma3",
      .summary = "a Gemma 2 with query and key norms; windowed layers rotate with a base of their own (Gemma 3, text)",
      .hf_names = {"Gemma3ForCausalLM"},
      .gguf_names = {"gemma3"},
      .source = "arXiv 2503.19786; transformers Gemma3ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
  };
}

}  // namespace vauban
