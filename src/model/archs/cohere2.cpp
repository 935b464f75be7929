/// Cohere 2 (Command-R7B): a Cohere whose windowed layers rotate and whose layers that see everything do not.
///
/// Source: transformers Cohere2ForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const std::vector<bool>& windowed) {
  set_rope(c, std::move(rope));
  c.decoder.norm = layer_norm(c.norm_epsilon, false);
  c.decoder.residuals = Residuals::parallel;
  set_layers(c, in_each([&](std::int64_t layer) {
               AttentionSpec attention = attention_spec(c);
               if (windowed[static_cast<std::size_t>(layer)]) return attention;
               attention.args.window = 0;
               attention.rope = -1;
               return attention;
             }),
             in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "cohere2", {.default_context = 8192, .tied = true}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_eps", 1e-5));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(c.decoder.logit_scale, keys.config.positive_or("logit_scale", 0.0625));
  VB_TRY(c.window, keys.config.count_or("sliding_window", has_key(source, "sliding_window") ? 0 : 4096));
  VB_TRY(const std::int64_t pattern, keys.config.count_or("sliding_window_pattern", 4));
  VB_TRY(const auto windowed, windowed_layers(keys.config, c, [&](std::int64_t i) { return (i + 1) % pattern != 0; }));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.layout = RopeLayout::interleaved}));
  return decoder_of(std::move(c), std::move(rope), windowed);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "cohere2");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "cohere2"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  VB_TRY(c.decoder.logit_scale, keys.config.positive("logit_scale"));
  VB_TRY(c.window, keys.config.count("attention.sliding_window"));
  std::vector<bool> windowed;
  for (std::int64_t layer = 0; layer < c.layers; ++layer) windowed.push_back((layer + 1) % 4 != 0);  // no key for it
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length, RopeLayout::interleaved));
  return decoder_of(std::move(c), std::move(rope), windowed);
}

DecoderNames names(const ModelConfig&) { return {}; }

void own_gguf_keys(const ModelConfig& c, GgufKeyList& keys) { keys.f32("logit_scale", c.decoder.logit_scale); }

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "Cohere2ForCausalLM", "cohere2");
  add_fields(out, {{"layer_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"attention_bias", c.attention_bias},
                   {"logit_scale", c.decoder.logit_scale}, {"sliding_window", or_null(c.window)}, {"sliding_window_pattern", 4}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture cohere2_architecture() {
  return {
      .id = "cohere2",
      .summary = "parallel blocks; windowed layers rotate, the others do not (Command-R7B)",
      .hf_names = {"Cohere2ForCausalLM"},
      .gguf_names = {"cohere2"},
      .source = "transformers Cohere2ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
  };
}

}  // namespace vauban
