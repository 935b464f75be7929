/// GPT-2: learned positions, LayerNorm before attention and MLP, one fused projection to q, k and v, a tied head.
///
/// Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; transformers GPT2LMHeadModel.
/// Its files store matrices as (in, out) (Conv1D); they are transposed when they are loaded.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

constexpr SizeNames kSizes{.width = "n_embd", .mlp_width = "n_inner", .layers = "n_layer",
                             .heads = "n_head", .kv_heads = nullptr, .head_dim = nullptr, .context = "n_positions", .default_context = 1024, .tied = true};

ModelConfig decoder_of(ModelConfig c) {
  c.attention_bias = c.mlp_bias = true;
  c.decoder.norm = {.kind = NormKind::layer, .epsilon = c.norm_epsilon, .bias = true};
  c.decoder.learned_positions = c.context_length;
  AttentionSpec attention = attention_spec(c);
  attention.fused = true;
  attention.rope = -1;
  set_layers(c, in_all(attention), in_all(plain_mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_CHECK(refuse_keys(keys.config, {"add_cross_attention", "scale_attn_by_inverse_layer_idx"}));
  VB_TRY(const bool scaled, keys.config.flag_or("scale_attn_weights", true));
  if (!scaled) return unsupported("{} is false; only scaled attention is known", keys.config.name("scale_attn_weights"));
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "gpt2", kSizes));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_epsilon", 1e-5));
  VB_TRY(c.activation, read_activation(keys.config, "activation_function", "gelu_new"));
  return decoder_of(std::move(c));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "gpt2");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "gpt2"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  c.activation = Activation::gelu_tanh;  // the format has no key
  return decoder_of(std::move(c));
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.hf_optional_prefix = "transformer.";  // the first published files leave it out
  n.hf_transposed = true;
  n.hf_buffers = {"attn.bias", "attn.masked_bias"};
  n.hf_layer = "transformer.h.{}.";
  n.embedding.hf = "transformer.wte";
  n.positions.hf = "transformer.wpe";
  n.final_norm.hf = "transformer.ln_f";
  n.attn_norm.hf = "ln_1";
  n.mlp_norm.hf = "ln_2";
  n.qkv.hf = "attn.c_attn";
  n.o.hf = "attn.c_proj";
  n.up.hf = "mlp.c_fc";
  n.down.hf = "mlp.c_proj";
  return n;
}

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "GPT2LMHeadModel", "gpt2", kSizes);
  add_fields(out, {{"n_inner", c.mlp_width == 4 * c.width ? Json() : Json(c.mlp_width)}, {"n_ctx", c.context_length},
                   {"layer_norm_epsilon", c.norm_epsilon}, {"activation_function", activation_name(c.activation, "gelu_new")},
                   {"scale_attn_weights", true}});
  return out;
}

}  // namespace

Architecture gpt2_architecture() {
  return {
      .id = "gpt2",
      .summary = "learned positions, LayerNorm, fused q/k/v projection, GELU MLP, tied head",
      .hf_names = {"GPT2LMHeadModel"},
      .gguf_names = {"gpt2"},
      .source = "Radford et al. 2019; transformers GPT2LMHeadModel",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
