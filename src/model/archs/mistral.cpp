/// Mistral: a Llama with a sliding window in every layer. Its GGUF files are of the llama architecture, without the window.
///
/// Source: Jiang et al. 2023 (arXiv 2310.06825); transformers MistralForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "mistral", {.default_context = 131072}));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.window, keys.config.count_or("sliding_window", has_key(source, "sliding_window") ? 0 : 4096));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  set_layers(c, in_all(attention_spec(c)), in_all(mlp_spec(c)));
  return c;
}

DecoderNames names(const ModelConfig&) { return {}; }

/// GGUF files of Mistral are Llama's: heads as rotary pairs.
ModelConfig gguf_form(ModelConfig c) {
  c.architecture = "llama";
  AttentionSpec attention = attention_spec(c);
  attention.gguf_pairs = true;
  set_layers(c, in_all(attention), in_all(mlp_spec(c)));
  return c;
}

}  // namespace

Architecture mistral_architecture() {
  return {
      .id = "mistral",
      .summary = "a Llama with a sliding window (Mistral 7B, Nemo, Small)",
      .hf_names = {"MistralForCausalLM"},
      .gguf_names = {},
      .source = "arXiv 2310.06825; transformers MistralForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = nullptr,
      .names = names,
      .gguf_id = "llama",
      .gguf_form = gguf_form,
  };
}

}  // namespace vauban
