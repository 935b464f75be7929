/// BLOOM: ALiBi, a norm behind the embedding, q/k/v fused by head.
///
/// Source: BigScience 2022 (arXiv 2211.05100); transformers BloomForCausalLM.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c) {
  c.attention_bias = c.mlp_bias = true;
  c.activation = Activation::gelu_tanh;
  c.decoder.norm = layer_norm(c.norm_epsilon);
  c.decoder.embedding_norm = true;
  AttentionSpec attention = attention_spec(c);
  attention.fused = attention.grouped_in_hf = true;
  attention.rope = -1;
  attention.args.alibi_slopes = alibi_slopes(c.heads);
  set_layers(c, in_all(attention), in_all(plain_mlp_spec(c)));
  return c;
}

SizeNames size_names(const ConfigKeys& keys) {
  SizeNames names{.mlp_width = nullptr, .layers = "n_layer", .heads = "n_head", .kv_heads = nullptr, .head_dim = nullptr,
                  .context = "seq_length", .tied = true};
  if (!keys.find("hidden_size")) names.width = "n_embed";
  if (!keys.find("n_layer")) names.layers = "num_hidden_layers";
  if (!keys.find("n_head")) names.heads = "num_attention_heads";
  return names;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_CHECK(refuse_keys(keys.config, {"apply_residual_connection_post_layernorm"}));
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "bloom", size_names(keys.config)));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_epsilon", 1e-5));
  return decoder_of(std::move(c));
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "bloom");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "bloom"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  return decoder_of(std::move(c));
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.hf_optional_prefix = "transformer.";  // the published files leave it out
  n.embedding.hf = "transformer.word_embeddings";
  n.embedding_norm.hf = "transformer.word_embeddings_layernorm";
  n.final_norm.hf = "transformer.ln_f";
  n.hf_layer = "transformer.h.{}.";
  n.qkv.hf = "self_attention.query_key_value";
  n.o.hf = "self_attention.dense";
  n.up.hf = "mlp.dense_h_to_4h";
  n.down.hf = "mlp.dense_4h_to_h";
  return n;
}

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "BloomForCausalLM", "bloom",
                            {.mlp_width = nullptr, .layers = "n_layer", .heads = "n_head", .kv_heads = nullptr, .head_dim = nullptr, .context = "seq_length"});
  add_fields(out, {{"layer_norm_epsilon", c.norm_epsilon}, {"apply_residual_connection_post_layernorm", false}});
  return out;
}

}  // namespace

Architecture bloom_architecture() {
  return {
      .id = "bloom",
      .summary = "ALiBi, a norm behind the embedding, fused q/k/v, tied head (BLOOM)",
      .hf_names = {"BloomForCausalLM"},
      .gguf_names = {"bloom"},
      .source = "arXiv 2211.05100; transformers BloomForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
  };
}

}  // namespace vauban
