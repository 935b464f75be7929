/// GPT-OSS: attention sinks, every other layer windowed, experts with biases and a clamped SwiGLU, YaRN.
///
/// Source: OpenAI 2025 (arXiv 2508.10925); transformers GptOssForCausalLM. Folders hold the experts as
/// floats, or as the hub's MXFP4 blocks (format/compressed/mxfp4.cpp).
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

Result<ModelConfig> decoder_of(ModelConfig c, RopeConfig rope, MoeSpec moe, const std::vector<bool>& windowed) {
  c.activation = moe.activation = Activation::clamped_swiglu;
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  moe.routing.normalise = true;
  moe.router_bias = moe.expert_bias = true;
  set_layers(c, in_each([&](std::int64_t layer) {
               AttentionSpec attention = attention_spec(c, windowed[static_cast<std::size_t>(layer)]);
               attention.sinks = true;
               return attention;
             }),
             in_all(std::move(moe)));
  return c;
}

bool is_windowed(std::int64_t layer) { return layer % 2 == 0; }

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "gpt-oss", {.default_context = 131072, .default_head_dim = 64}));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-5));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", true));
  VB_TRY(c.window, keys.config.count_or("sliding_window", has_key(source, "sliding_window") ? 0 : 128));
  VB_CHECK(refuse_keys(keys.config, {"swiglu_limit"}, 7.0));
  VB_CHECK(refuse_keys(keys.config, {"swiglu_alpha"}, 1.702));
  VB_TRY(const std::int64_t experts, keys.config.count_or("num_local_experts", 128));
  VB_TRY(const std::int64_t chosen, keys.config.count_or("num_experts_per_tok", 4));
  VB_TRY(MoeSpec moe, moe_spec(c, experts, chosen, c.mlp_width));
  moe.stacked_in_hf = true;
  VB_TRY(const auto windowed, windowed_layers(keys.config, c, is_windowed));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.default_theta = 150000.0}));
  return decoder_of(std::move(c), std::move(rope), std::move(moe), windowed);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "gpt-oss");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "gpt-oss"));
  c.attention_bias = true;
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(c.window, keys.config.count("attention.sliding_window"));
  VB_TRY(MoeSpec moe, moe_spec(c, keys.config));
  moe.joined_in_hf = true;
  std::vector<bool> windowed;
  for (std::int64_t layer = 0; layer < c.layers; ++layer) windowed.push_back(is_windowed(layer));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), std::move(moe), windowed);
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.mlp_norm.gguf = "post_attention_norm";
  n.router.hf = "mlp.router";
  n.expert_down.hf = "mlp.experts.down_proj";
  return n;
}

/// Folders stack experts and interleave gate and up; a GGUF stacks each matrix.
ModelConfig gguf_form(ModelConfig c) {
  MoeSpec experts = *experts_of(c);
  experts.stacked_in_hf = false;
  experts.joined_in_hf = true;
  const auto feed = std::make_shared<const MoeSpec>(experts);
  for (LayerSpec& layer : c.decoder.layers) layer.feed = feed;
  return c;
}

Json hf_config(const ModelConfig& c) {
  const MoeSpec moe = *experts_of(c);
  Json out = llama_like_config(c, "GptOssForCausalLM", "gpt_oss");
  add_fields(out, {{"num_local_experts", moe.routing.experts}, {"num_experts_per_tok", moe.routing.chosen}, {"sliding_window", or_null(c.window)},
                   {"layer_types", layer_types(c)}, {"swiglu_limit", 7.0}});
  return out;
}

}  // namespace

Architecture gptoss_architecture() {
  return {
      .id = "gpt-oss",
      .summary = "attention sinks, alternating windows, experts with biases, YaRN (GPT-OSS)",
      .hf_names = {"GptOssForCausalLM"},
      .gguf_names = {"gpt-oss"},
      .source = "arXiv 2508.10925; transformers GptOssForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_form = gguf_form,
  };
}

}  // namespace vauban
