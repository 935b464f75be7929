/// LFM2: short gated convolutions, with attention in some layers.
///
/// Source: Liquid AI 2025, LFM2; transformers Lfm2ForCausalLM.
#include <cmath>

#include "model/archs/archs.h"
#include "model/archs/writing.h"
#include "model/decoder/short_conv.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, const ShortConvSpec& conv, const std::vector<bool>& is_conv) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  AttentionSpec attention = attention_spec(c);
  attention.qk_norm = QkNorm::per_head;
  attention.qk_norm_spec = c.decoder.norm;
  set_layers(c, in_marked(is_conv, in_all(conv), in_all(attention)), in_all(mlp_spec(c)));
  return c;
}

/// Two thirds of the stated width, times a factor, rounded up to a multiple; unless the file says that it is final.
Result<std::int64_t> mlp_width(const ConfigKeys& keys) {
  const char* key = keys.find("block_ff_dim") ? "block_ff_dim" : "intermediate_size";
  VB_TRY(std::int64_t width, keys.count_or(key, 12288));
  VB_TRY(const bool adjust, keys.flag_or("block_auto_adjust_ff_dim", true));
  if (!adjust) return width;
  width = 2 * width / 3;
  VB_TRY(const double factor, keys.positive_or("block_ffn_dim_multiplier", 1.0));
  VB_TRY(const std::int64_t multiple, keys.count_or("block_multiple_of", 256));
  const double scaled = std::floor(factor * static_cast<double>(width));
  if (!(scaled >= 1.0 && scaled <= static_cast<double>(ConfigKeys::kMaxCount)))
    return corrupt("{}: no MLP has a width of {}", keys.name("block_ffn_dim_multiplier"), scaled);
  return (static_cast<std::int64_t>(scaled) + multiple - 1) / multiple * multiple;
}

/// `full_attn_idxs` of older files; without it every layer attends.
Result<std::vector<bool>> conv_layers(const ConfigKeys& keys, const ModelConfig& c) {
  std::vector<bool> attends(static_cast<std::size_t>(c.layers), true);
  if (const Json* indices = keys.find("full_attn_idxs")) {
    if (!indices->is_array()) return corrupt("{}: expected a list of layers, found {}", keys.name("full_attn_idxs"), shown(*indices));
    attends.assign(attends.size(), false);
    for (const Json& index : indices->items()) {
      if (!index.is_integer() || index.as_int() < 0 || index.as_int() >= c.layers)
        return corrupt("{}: expected layers below {}, found {}", keys.name("full_attn_idxs"), c.layers, shown(index));
      attends[static_cast<std::size_t>(index.as_int())] = true;
    }
  }
  return layers_of_kind(keys, c, "conv", [&](std::int64_t layer) { return !attends[static_cast<std::size_t>(layer)]; });
}

Result<ShortConvSpec> conv_spec(const ModelConfig& c, std::int64_t kernel, const std::string& where) {
  if (kernel < 2) return unsupported("{}: a convolution over {} position is not known", where, kernel);
  ShortConvSpec conv;
  conv.width = c.width;
  conv.kernel = static_cast<int>(kernel);
  return conv;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "lfm2", {.mlp_width = nullptr, .default_context = 128000, .tied = true}));
  VB_TRY(c.tied_head, keys.config.flag_or("tie_embedding", c.tied_head));
  VB_TRY(c.mlp_width, mlp_width(keys.config));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("norm_eps", 1e-5));
  VB_TRY(const std::int64_t kernel, keys.config.count_or("conv_L_cache", 3, ConfigKeys::kMaxHeads));
  VB_TRY(ShortConvSpec conv, conv_spec(c, kernel, keys.config.name("conv_L_cache")));
  VB_TRY(conv.bias, keys.config.flag_or("conv_bias", false));
  VB_TRY(const std::vector<bool> is_conv, conv_layers(keys.config, c));
  const char* theta = keys.config.find("theta") ? "theta" : "rope_theta";
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, c.head_dim, c.context_length, {.theta = theta, .default_theta = 1e6}));
  return decoder_of(std::move(c), std::move(rope), conv, is_conv);
}

/// Layers without key/value heads: a list, or one number for all of them.
Result<std::vector<bool>> layers_without_heads(const ConfigKeys& keys, const ModelConfig& c) {
  std::vector<bool> without(static_cast<std::size_t>(c.layers), false);
  const Json* heads = keys.find("attention.head_count_kv");
  if (!heads || !heads->is_array()) return without;
  if (heads->size() != without.size())
    return corrupt("{}: expected a list of {} counts, found {}", keys.name("attention.head_count_kv"), c.layers, shown(*heads));
  for (std::size_t i = 0; i < without.size(); ++i) without[i] = heads->items()[i] == Json(0);
  return without;
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "lfm2");
  VB_CHECK(refuse_keys(keys.config, {"attention.sliding_window"}));
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "lfm2", GgufHeads::of_some_layers));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(const std::int64_t kernel, keys.config.count("shortconv.l_cache", ConfigKeys::kMaxHeads));
  VB_TRY(const ShortConvSpec conv, conv_spec(c, kernel, keys.config.name("shortconv.l_cache")));
  VB_TRY(const std::vector<bool> is_conv, layers_without_heads(keys.config, c));
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), conv, is_conv);
}

const ShortConvSpec* conv_of(const LayerSpec& layer) { return dynamic_cast<const ShortConvSpec*>(layer.mixer.get()); }

/// A file in which every layer attends still says how wide its convolutions are.
std::int64_t kernel_of(const ModelConfig& c) {
  for (const LayerSpec& layer : c.decoder.layers)
    if (const ShortConvSpec* conv = conv_of(layer)) return conv->kernel;
  return 3;
}

void gguf_keys(const ModelConfig& c, GgufKeyList& keys) {
  Json::Array heads;
  for (const LayerSpec& layer : c.decoder.layers) heads.emplace_back(conv_of(layer) ? std::int64_t{0} : c.kv_heads);
  keys.list("attention.head_count_kv", GgufType::i32, std::move(heads));
  keys.u32("shortconv.l_cache", kernel_of(c));
}

Json hf_config(const ModelConfig& c) {
  Json out = write_hf_sizes(c, "Lfm2ForCausalLM", "lfm2", {.head_dim = nullptr});
  add_fields(out, {{"block_ff_dim", c.mlp_width}, {"block_auto_adjust_ff_dim", false}, {"block_ffn_dim_multiplier", 1.0}, {"block_multiple_of", 256},
                   {"norm_eps", c.norm_epsilon}, {"conv_L_cache", kernel_of(c)}, {"conv_bias", false}, {"layer_types", layer_types(c, "conv")}});
  add_rope(out, c);
  return out;
}

DecoderNames names(const ModelConfig&) {
  DecoderNames names;
  names.final_norm = {"model.embedding_norm", "token_embd_norm"};
  names.attn_norm.hf = "operator_norm";
  names.mlp_norm.hf = "ffn_norm";
  names.q_norm.hf = "self_attn.q_layernorm";
  names.k_norm.hf = "self_attn.k_layernorm";
  names.o.hf = "self_attn.out_proj";
  names.gate.hf = "feed_forward.w1";
  names.up.hf = "feed_forward.w3";
  names.down.hf = "feed_forward.w2";
  return names;
}

}  // namespace

Architecture lfm2_architecture() {
  return {
      .id = "lfm2",
      .summary = "short gated convolutions, with attention in some layers (LFM2); inference only",
      .hf_names = {"Lfm2ForCausalLM"},
      .gguf_names = {"lfm2"},
      .source = "Liquid AI 2025; transformers Lfm2ForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = gguf_keys,
  };
}

}  // namespace vauban
