/// GPT-NeoX and Pythia: attention and MLP side by side with a norm each, part of each head rotated, q/k/v fused by head.
///
/// Source: Black et al. 2022 (arXiv 2204.06745); transformers GPTNeoXForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

constexpr SizeNames kSizes{.kv_heads = nullptr, .head_dim = nullptr};

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, bool parallel) {
  set_rope(c, std::move(rope));
  c.mlp_bias = true;
  c.decoder.norm = layer_norm(c.norm_epsilon);
  if (parallel) c.decoder.residuals = Residuals::parallel_two_norms;
  AttentionSpec attention = attention_spec(c);
  attention.fused = attention.grouped_in_hf = true;
  set_layers(c, in_all(attention), in_all(plain_mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "gptneox", kSizes));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "gelu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_eps", 1e-5));
  VB_TRY(c.attention_bias, keys.config.flag_or("attention_bias", true));
  VB_TRY(const bool parallel, keys.config.flag_or("use_parallel_residual", true));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length,
                                       {.theta = "rotary_emb_base", .share = "rotary_pct", .default_share = 0.25}));
  return decoder_of(std::move(c), std::move(rope), parallel);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "gptneox");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "gptneox"));
  c.activation = Activation::gelu_erf;
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  c.attention_bias = keys.file.find("blk.0.attn_qkv.bias") != nullptr;
  VB_TRY(const bool parallel, keys.config.flag_or("use_parallel_residual", true));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), parallel);
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.embedding.hf = "gpt_neox.embed_in";
  n.final_norm.hf = "gpt_neox.final_layer_norm";
  n.head.hf = "embed_out";
  n.hf_layer = "gpt_neox.layers.{}.";
  n.qkv.hf = "attention.query_key_value";
  n.o.hf = "attention.dense";
  n.up.hf = "mlp.dense_h_to_4h";
  n.down.hf = "mlp.dense_4h_to_h";
  n.hf_buffers = {"attention.bias", "attention.masked_bias"};
  return n;
}

void own_gguf_keys(const ModelConfig& c, GgufKeyList& keys) { keys.flag("use_parallel_residual", is_parallel(c)); }

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "GPTNeoXForCausalLM", "gpt_neox", kSizes);
  add_fields(out, {{"layer_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"attention_bias", c.attention_bias},
                   {"use_parallel_residual", is_parallel(c)}});
  add_rope(out, c, "rotary_emb_base", "rotary_pct");
  return out;
}

}  // namespace

Architecture gptneox_architecture() {
  return {
      .id = "gptneox",
      .summary = "parallel attention and MLP with a norm each, partly rotated heads (GPT-NeoX, Pythia)",
      .hf_names = {"GPTNeoXForCausalLM"},
      .gguf_names = {"gptneox"},
      .source = "arXiv 2204.06745; transformers GPTNeoXForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
  };
}

}  // namespace vauban
