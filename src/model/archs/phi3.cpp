/// Phi-3 and 3.5: a Llama whose q, k, v and whose gate and up are fused into one matrix each, with a sliding window.
///
/// Source: Abdin et al. 2024 (arXiv 2404.14219); transformers Phi3ForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

constexpr SizeNames kSizes{.head_dim = nullptr, .default_context = 4096};

ModelConfig decoder_of(ModelConfig c, RopeConfig rope) {
  set_rope(c, std::move(rope));
  c.decoder.norm = {.kind = NormKind::rms, .epsilon = c.norm_epsilon};
  AttentionSpec attention = attention_spec(c);
  attention.fused = true;
  MlpSpec mlp = mlp_spec(c);
  mlp.fused = true;
  set_layers(c, in_all(attention), in_all(mlp));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "phi3", kSizes));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.window, keys.config.count_or("sliding_window", 0));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-5));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "phi3");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "phi3"));
  if (const Json* window = keys.config.find("attention.sliding_window"); window && *window != Json(0)) {  // 0: no window
    VB_TRY(c.window, keys.config.count("attention.sliding_window"));
  }
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope));
}

DecoderNames names(const ModelConfig&) { return {}; }

/// llama.cpp cannot do without these; a window of 0 is none.
void own_gguf_keys(const ModelConfig& c, GgufKeyList& keys) {
  if (c.window == 0) keys.u32("attention.sliding_window", 0);
  if (c.decoder.ropes.front().switch_length == 0) keys.u32("rope.scaling.original_context_length", c.context_length);
}

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "Phi3ForCausalLM", "phi3", kSizes);
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)},
                   {"sliding_window", or_null(c.window)}, {"pad_token_id", Json()}});
  add_rope(out, c, "rope_theta", "partial_rotary_factor");
  return out;
}

}  // namespace

Architecture phi3_architecture() {
  return {
      .id = "phi3",
      .summary = "a Llama with fused q/k/v and gate/up projections and a sliding window",
      .hf_names = {"Phi3ForCausalLM"},
      .gguf_names = {"phi3"},
      .source = "arXiv 2404.14219; transformers Phi3ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
  };
}

}  // namespace vauban
