/// Falcon: LayerNorm, a plain GELU MLP, few key/value heads. Three forms: one norm for both blocks side by side (7B), a norm
/// for each (40B, 180B), and one block behind the other with ALiBi (RW).
///
/// Source: Almazrouei et al. 2023 (arXiv 2311.16867); transformers FalconForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

struct Falcon {
  bool parallel = true, two_norms = false, alibi = false;
};

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const Falcon& own) {
  set_rope(c, std::move(rope));
  c.decoder.norm = layer_norm(c.norm_epsilon);
  c.decoder.residuals = !own.parallel ? Residuals::before : own.two_norms ? Residuals::parallel_two_norms : Residuals::parallel;
  AttentionSpec attention = attention_spec(c);
  attention.fused = attention.grouped_in_hf = true;
  if (own.alibi) {
    attention.rope = -1;
    attention.args.alibi_slopes = alibi_slopes(c.heads);
    for (double& slope : attention.args.alibi_slopes) slope *= attention.args.scale;  // added before the scaling
    c.decoder.ropes.clear();
  }
  set_layers(c, in_all(attention), in_all(plain_mlp_spec(c)));
  return c;
}

/// The first published files say n_layer, n_head and n_head_kv.
SizeNames size_names(const ConfigKeys& keys) {
  SizeNames names{.mlp_width = "ffn_hidden_size", .kv_heads = "num_kv_heads", .head_dim = nullptr, .tied = true};
  if (keys.find("n_layer")) names.layers = "n_layer";
  if (keys.find("n_head")) names.heads = "n_head";
  if (keys.find("n_head_kv")) names.kv_heads = "n_head_kv";
  return names;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_CHECK(refuse_keys(keys.config, {"apply_residual_connection_post_layernorm"}));
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "falcon", size_names(keys.config)));
  VB_TRY(const bool newer, keys.config.flag_or("new_decoder_architecture", false));
  VB_TRY(const bool one_kv_head, keys.config.flag_or("multi_query", true));
  if (!newer) c.kv_heads = one_kv_head ? 1 : c.heads;
  VB_TRY(c.activation, read_activation(keys.config, "activation", "gelu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_epsilon", 1e-5));
  VB_TRY(c.attention_bias, keys.config.flag_or("bias", false));
  c.mlp_bias = c.attention_bias;
  Falcon own;
  VB_TRY(const bool parallel, keys.config.flag_or("parallel_attn", true));
  own.parallel = parallel || newer;
  VB_TRY(const std::int64_t norms, keys.config.count_or("num_ln_in_parallel_attn", newer ? 2 : 1));
  own.two_norms = newer && norms == 2;
  VB_TRY(own.alibi, keys.config.flag_or("alibi", false));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), own);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "falcon");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "falcon"));
  c.activation = Activation::gelu_erf;
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  const Falcon own{.two_norms = keys.file.find("blk.0.attn_norm_2.weight") != nullptr};
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), own);
}

DecoderNames names(const ModelConfig& c) {
  DecoderNames n;
  n.embedding.hf = "transformer.word_embeddings";
  n.final_norm.hf = "transformer.ln_f";
  n.hf_layer = "transformer.h.{}.";
  if (c.decoder.residuals == Residuals::parallel_two_norms) {
    n.attn_norm = {"ln_attn", "attn_norm_2"};
    n.mlp_norm = {"ln_mlp", "attn_norm"};
  }
  n.qkv.hf = "self_attention.query_key_value";
  n.o.hf = "self_attention.dense";
  n.up.hf = "mlp.dense_h_to_4h";
  n.down.hf = "mlp.dense_4h_to_h";
  return n;
}

void own_gguf_keys(const ModelConfig&, GgufKeyList& keys) { keys.text("tensor_data_layout", "jploski"); }

/// Key/value heads that are neither one nor all came with the new decoder.
Json hf_config(const ModelConfig& c) {
  const bool two_norms = c.decoder.residuals == Residuals::parallel_two_norms;
  const bool newer = two_norms || (c.kv_heads != 1 && c.kv_heads != c.heads);
  Json out = write_hf_sizes(c, "FalconForCausalLM", "falcon",
                            {.mlp_width = "ffn_hidden_size", .kv_heads = "num_kv_heads", .head_dim = nullptr});
  add_fields(out, {{"layer_norm_epsilon", c.norm_epsilon}, {"activation", activation_name(c.activation)}, {"bias", c.attention_bias},
                   {"new_decoder_architecture", newer}, {"multi_query", newer || c.kv_heads == 1}, {"parallel_attn", is_parallel(c)},
                   {"num_ln_in_parallel_attn", two_norms ? 2 : 1}, {"alibi", !attention_of(c)->args.alibi_slopes.empty()}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture falcon_architecture() {
  return {
      .id = "falcon",
      .summary = "LayerNorm, plain GELU MLP, few key/value heads, parallel blocks or ALiBi (Falcon)",
      .hf_names = {"FalconForCausalLM"},
      .gguf_names = {"falcon"},
      .source = "arXiv 2311.16867; transformers FalconForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
      .llama_cpp = {.mixture = LlamaCppRules::Mixture::falcon},
  };
}

}  // namespace vauban
