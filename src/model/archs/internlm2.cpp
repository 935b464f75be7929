/// InternLM2: a Llama whose folders fuse q, k and v by key/value head; its GGUF files keep them apart.
///
/// Source: Cai et al. 2024 (arXiv 2403.17297); the modeling code beside the published weights.
#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

/// Folders fuse q, k and v; a GGUF keeps them apart, heads as rotary pairs.
ModelConfig with_layers(ModelConfig c, bool gguf) {
  AttentionSpec attention = attention_spec(c);
  attention.fused = attention.grouped_in_hf = !gguf;
  attention.split_in_gguf = attention.gguf_pairs = gguf;
  set_layers(c, in_all(attention), in_all(mlp_spec(c)));
  return c;
}

ModelConfig gguf_form(ModelConfig c) { return with_layers(std::move(c), true); }

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, bool gguf) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  return with_layers(std::move(c), gguf);
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "internlm2"));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, keys.config.flag_or("bias", false));
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), false);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "internlm2");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "internlm2"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  c.attention_bias = keys.file.find("blk.0.attn_q.bias") != nullptr;
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), true);
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.embedding.hf = "model.tok_embeddings";
  n.head.hf = "output";
  n.attn_norm.hf = "attention_norm";
  n.mlp_norm.hf = "ffn_norm";
  n.qkv.hf = "attention.wqkv";
  n.o.hf = "attention.wo";
  n.gate.hf = "feed_forward.w1";
  n.up.hf = "feed_forward.w3";
  n.down.hf = "feed_forward.w2";
  return n;
}

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "InternLM2ForCausalLM", "internlm2");
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"bias", c.attention_bias}});
  add_rope(out, c);
  return out;
}

}  // namespace

Architecture internlm2_architecture() {
  return {
      .id = "internlm2",
      .summary = "a Llama with q, k and v fused by key/value head (InternLM 2)",
      .hf_names = {"InternLM2ForCausalLM"},
      .gguf_names = {"internlm2"},
      .source = "arXiv 2403.17297",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_form = gguf_form,
  };
}

}  // namespace vauban
