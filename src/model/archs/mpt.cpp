/// MPT: ALiBi, LayerNorm and matrices without biases, a fused projection that may be clipped.
///
/// Source: MosaicML 2023; transformers MptForCausalLM.
#include <cmath>

#include "model/archs/archs.h"
#include "model/archs/writing.h"

namespace vauban {
namespace {

constexpr SizeNames kSizes{.width = "d_model", .mlp_width = nullptr, .layers = "n_layers",
                             .heads = "n_heads", .kv_heads = nullptr, .head_dim = nullptr, .context = "max_seq_len", .tied = true};

/// MPT's own slopes: where H is no power of two, those of the next one, every other first.
std::vector<double> slopes_of(std::int64_t heads, double bias_max) {
  std::int64_t power = 1;
  while (power < heads) power *= 2;
  std::vector<double> all, slopes;
  for (std::int64_t i = 1; i <= power; ++i) all.push_back(std::exp2(-bias_max * static_cast<double>(i) / static_cast<double>(power)));
  if (power == heads) return all;
  for (std::size_t i = 1; i < all.size(); i += 2) slopes.push_back(all[i]);
  for (std::size_t i = 0; i < all.size(); i += 2) slopes.push_back(all[i]);
  slopes.resize(static_cast<std::size_t>(heads));
  return slopes;
}

struct Mpt {
  double clip = 0.0, bias_max = 8.0, scale = 0.0;  ///< scale 0: 1 / sqrt(d)
  bool biases = false;
};

ModelConfig decoder_of(ModelConfig c, const Mpt& own) {
  c.attention_bias = c.mlp_bias = own.biases;
  c.activation = Activation::gelu_erf;
  c.decoder.norm = layer_norm(c.norm_epsilon, own.biases);
  AttentionSpec attention = attention_spec(c);
  attention.fused = true;
  attention.rope = -1;
  attention.clip = own.clip;
  if (own.scale > 0.0) attention.args.scale = own.scale;
  attention.args.alibi_slopes = slopes_of(c.heads, own.bias_max);
  set_layers(c, in_all(attention), in_all(plain_mlp_spec(c)));
  return c;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "mpt", kSizes));
  VB_TRY(const std::int64_t ratio, keys.config.count_or("expansion_ratio", 4));
  c.mlp_width = ratio * c.width;
  VB_TRY(c.norm_epsilon, keys.config.positive_or("layer_norm_epsilon", 1e-5));
  VB_CHECK(refuse_keys(keys.config, {"logit_scale"}));
  Mpt own;
  VB_TRY(const bool no_bias, keys.config.flag_or("no_bias", true));
  own.biases = !no_bias;
  const Json none = Json::object();
  const Json* found = keys.config.find("attn_config");
  const ConfigKeys attention(found ? *found : none, keys.config.name("attn_config"));
  VB_CHECK(refuse_keys(attention, {"qk_ln", "prefix_lm", "attn_uses_sequence_id"}));
  VB_TRY(const bool alibi, attention.flag_or("alibi", true));
  if (!alibi) return unsupported("{} is false; this architecture is known with ALiBi only", attention.name("alibi"));
  if (attention.find("clip_qkv")) {
    VB_TRY(own.clip, attention.positive("clip_qkv"));
  }
  if (attention.find("softmax_scale")) {
    VB_TRY(own.scale, attention.positive("softmax_scale"));
  }
  VB_TRY(own.bias_max, attention.positive_or("alibi_bias_max", 8.0));
  return decoder_of(std::move(c), own);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "mpt");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "mpt"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_epsilon"));
  Mpt own;
  if (keys.config.find("attention.clamp_kqv")) {
    VB_TRY(own.clip, keys.config.positive("attention.clamp_kqv"));
  }
  VB_TRY(own.bias_max, keys.config.positive_or("attention.max_alibi_bias", 8.0));
  own.biases = keys.file.find("blk.0.attn_qkv.bias") != nullptr;
  return decoder_of(std::move(c), own);
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.embedding.hf = "transformer.wte";
  n.final_norm.hf = "transformer.norm_f";
  n.hf_layer = "transformer.blocks.{}.";
  n.attn_norm.hf = "norm_1";
  n.mlp_norm.hf = "norm_2";
  n.qkv.hf = "attn.Wqkv";
  n.o.hf = "attn.out_proj";
  n.up.hf = "ffn.up_proj";
  n.down.hf = "ffn.down_proj";
  return n;
}

/// The first slope is 2^(-bias_max / H), or of the next power of two the second one.
double bias_max_of(const ModelConfig& c) {
  double power = 1.0;
  while (power < static_cast<double>(c.heads)) power *= 2.0;
  const double exponent = -std::log2(attention_of(c)->args.alibi_slopes.front());
  return std::round(exponent * (power == static_cast<double>(c.heads) ? power : power / 2.0) * 1e6) / 1e6;
}

void own_gguf_keys(const ModelConfig& c, GgufKeyList& keys) { keys.f32("attention.max_alibi_bias", bias_max_of(c)); }

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "MPTForCausalLM", "mpt", kSizes);
  add_fields(out, {{"expansion_ratio", c.mlp_width / c.width}, {"layer_norm_epsilon", c.norm_epsilon}, {"no_bias", !c.attention_bias},
                   {"attn_config", Json::object({{"alibi", true}, {"alibi_bias_max", bias_max_of(c)}, {"clip_qkv", or_null(attention_of(c)->clip)}})}});
  return out;
}

}  // namespace

Architecture mpt_architecture() {
  return {
      .id = "mpt",
      .summary = "ALiBi, no biases, clipped fused q/k/v, tied head (MPT)",
      .hf_names = {"MptForCausalLM", "MPTForCausalLM"},
      .gguf_names = {"mpt"},
      .source = "MosaicML 2023; transformers MptForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
  };
}

}  // namespace vauban
