/// Qwen3: a Llama with a norm over each query and key head, and heads of their own width.
///
/// Source: Yang et al. 2025 (arXiv 2505.09388); transformers Qwen3ForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const std::vector<bool>& windowed) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  set_layers(c, in_each([&](std::int64_t layer) {
               AttentionSpec attention = attention_spec(c, windowed[static_cast<std::size_t>(layer)]);
               attention.qk_norm = QkNorm::per_head;
               attention.qk_norm_spec = c.decoder.norm;
               return attention;
             }),
             in_all(mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "qwen3", {.default_context = 32768, .default_head_dim = 128}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(const auto windowed, read_qwen_window(source, keys.config, c));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), windowed);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "qwen3");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "qwen3"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  c.attention_bias = keys.file.find("blk.0.attn_q.bias") != nullptr;
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  const std::vector<bool> windowed(static_cast<std::size_t>(c.layers), false);
  return decoder_of(std::move(c), std::move(rope), windowed);
}

DecoderNames names(const ModelConfig&) { return {}; }

Json hf_config(const ModelConfig& c) {
  Json out = llama_like_config(c, "Qwen3ForCausalLM", "qwen3");
  out["use_sliding_window"] = false;
  return out;
}

}  // namespace

Architecture qwen3_architecture() {
  return {
      .id = "qwen3",
      .summary = "a Llama with a norm over each query and key head (Qwen 3, dense)",
      .hf_names = {"Qwen3ForCausalLM"},
      .gguf_names = {"qwen3"},
      .source = "arXiv 2505.09388; transformers Qwen3ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
