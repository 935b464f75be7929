/// Qwen2 and 2.5: a Llama with biases on q, k and v, and a window that may begin at a layer.
///
/// Source: Yang et al. 2024 (arXiv 2407.10671); transformers Qwen2ForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

constexpr SizeNames kSizes{.default_context = 32768};

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const std::vector<bool>& windowed) {
  c.attention_bias = true;
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  set_layers(c, in_each([&](std::int64_t layer) {
               AttentionSpec attention = attention_spec(c, windowed[static_cast<std::size_t>(layer)]);
               attention.out_bias = false;
               return attention;
             }),
             in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "qwen2", kSizes));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(const auto windowed, read_qwen_window(source, keys.config, c));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), windowed);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "qwen2");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "qwen2"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  const std::vector<bool> windowed(static_cast<std::size_t>(c.layers), false);
  return decoder_of(std::move(c), std::move(rope), windowed);
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "Qwen2ForCausalLM", "qwen2", kSizes);
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"use_sliding_window", false}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture qwen2_architecture() {
  return {
      .id = "qwen2",
      .summary = "a Llama with biases on q, k and v (Qwen 2 and 2.5)",
      .hf_names = {"Qwen2ForCausalLM"},
      .gguf_names = {"qwen2"},
      .source = "arXiv 2407.10671; transformers Qwen2ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
