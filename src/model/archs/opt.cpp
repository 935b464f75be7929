/// OPT: learned positions that begin at row 2, LayerNorm, a ReLU MLP, biases, a tied head.
///
/// Source: Zhang et al. 2022 (arXiv 2205.01068); transformers OPTForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/reading.h"

namespace vauban {
namespace {

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_CHECK(refuse_keys(keys.config, {"_remove_final_layer_norm"}));
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "opt", {.mlp_width = "ffn_dim", .kv_heads = nullptr, .head_dim = nullptr, .tied = true}));
  VB_TRY(c.activation, read_activation(keys.config, "activation_function", "relu"));
  VB_TRY(c.attention_bias, keys.config.flag_or("enable_bias", true));
  c.mlp_bias = c.attention_bias;
  VB_TRY(const bool before, keys.config.flag_or("do_layer_norm_before", true));
  VB_TRY(const bool affine, keys.config.flag_or("layer_norm_elementwise_affine", true));
  VB_TRY(const std::int64_t embedded, keys.config.count_or("word_embed_proj_dim", c.width));
  if (!before) return unsupported("{} is false; OPT is known with norms before its blocks", keys.config.name("do_layer_norm_before"));
  if (embedded != c.width)
    return unsupported("{} is {}; OPT is known with embeddings of the model's width {}", keys.config.name("word_embed_proj_dim"), embedded, c.width);
  c.decoder.norm = layer_norm(c.norm_epsilon, affine);
  c.decoder.norm.weight = affine;
  c.decoder.learned_positions = c.context_length;
  c.decoder.position_offset = 2;
  AttentionSpec attention = attention_spec(c);
  attention.rope = -1;
  set_layers(c, in_all(attention), in_all(plain_mlp_spec(c)));
  return c;
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.hf_optional_prefix = "model.";  // the first published files leave it out
  n.embedding.hf = "model.decoder.embed_tokens";
  n.positions.hf = "model.decoder.embed_positions";
  n.final_norm.hf = "model.decoder.final_layer_norm";
  n.hf_layer = "model.decoder.layers.{}.";
  n.attn_norm.hf = "self_attn_layer_norm";
  n.mlp_norm.hf = "final_layer_norm";
  n.o.hf = "self_attn.out_proj";
  n.up.hf = "fc1";
  n.down.hf = "fc2";
  return n;
}

}  // namespace

Architecture opt_architecture() {
  return {
      .id = "opt",
      .summary = "learned positions from row 2, LayerNorm, ReLU MLP, biases, tied head (OPT)",
      .hf_names = {"OPTForCausalLM"},
      .gguf_names = {},
      .source = "arXiv 2205.01068; transformers OPTForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = nullptr,
      .names = names,
  };
}

}  // namespace vauban
