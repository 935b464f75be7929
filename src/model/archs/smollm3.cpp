/// SmolLM3: a Llama in which every fourth layer does not rotate.
///
/// Source: transformers SmolLM3ForCausalLM; Yang et al. 2025 for layers without positions (arXiv 2501.18795).
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const std::vector<bool>& rotates, const std::vector<bool>& windowed) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  set_layers(c, in_each([&](std::int64_t layer) {
               const auto i = static_cast<std::size_t>(layer);
               AttentionSpec attention = attention_spec(c);
               attention.gguf_pairs = true;
               if (!rotates[i]) attention.rope = -1;
               if (!windowed[i]) attention.args.window = 0;
               return attention;
             }),
             in_all(mlp_spec(c)));
  return c;
}

Result<std::vector<bool>> rotating_layers(const ConfigKeys& keys, std::int64_t layers) {
  std::vector<bool> rotates;
  const Json* list = keys.find("no_rope_layers");  // 1: rotates
  VB_TRY(const std::int64_t interval, keys.count_or("no_rope_layer_interval", 4));
  if (list && (!list->is_array() || static_cast<std::int64_t>(list->size()) != layers))
    return corrupt("{}: expected a list of {} numbers, found {}", keys.name("no_rope_layers"), layers, shown(*list));
  for (std::int64_t layer = 0; layer < layers; ++layer)
    rotates.push_back(list ? list->items()[static_cast<std::size_t>(layer)] != Json(0) : (layer + 1) % interval != 0);
  return rotates;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "smollm3", {.default_context = 32768, .tied = true}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(c.mlp_bias, keys.config.flag_or("mlp_bias", false));
  VB_TRY(const bool use_window, keys.config.flag_or("use_sliding_window", false));
  if (use_window) {
    VB_TRY(c.window, keys.config.count_or("sliding_window", 0));
  }
  VB_TRY(const auto rotates, rotating_layers(keys.config, c.layers));
  const auto is_windowed = [&](std::int64_t i) { return use_window && !rotates[static_cast<std::size_t>(i)]; };
  VB_TRY(const auto windowed, windowed_layers(keys.config, c, is_windowed));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.default_theta = 2e6}));
  return decoder_of(std::move(c), std::move(rope), rotates, windowed);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "smollm3");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "smollm3"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  std::vector<bool> rotates;
  for (std::int64_t layer = 0; layer < c.layers; ++layer) rotates.push_back((layer + 1) % 4 != 0);  // no key for it
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  const std::vector<bool> windowed(rotates.size(), false);
  return decoder_of(std::move(c), std::move(rope), rotates, windowed);
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) {
  Json out = llama_like_config(c, "SmolLM3ForCausalLM", "smollm3"), rotates = Json::array();
  for (const LayerSpec& layer : c.decoder.layers) rotates.push_back(attention_of(layer)->rope >= 0 ? 1 : 0);
  add_fields(out, {{"mlp_bias", c.mlp_bias}, {"no_rope_layer_interval", 4}, {"no_rope_layers", std::move(rotates)}, {"use_sliding_window", false}});
  return out;
}

}  // namespace

Architecture smollm3_architecture() {
  return {
      .id = "smollm3",
      .summary = "a Llama in which every fourth layer does not rotate (SmolLM3)",
      .hf_names = {"SmolLM3ForCausalLM"},
      .gguf_names = {"smollm3"},
      .source = "transformers SmolLM3ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
