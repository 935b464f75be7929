#include "model/archs/writing.h"

#include <cmath>

#include "model/model.h"

namespace vauban {
namespace {

void add_attention_keys(const ModelConfig& c, const AttentionSpec& attention, GgufKeyList& keys) {
  keys.u32("attention.head_count_kv", c.kv_heads);
  keys.u32("attention.key_length", c.head_dim);
  keys.u32("attention.value_length", c.head_dim);
  const double usual = 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  if (std::abs(attention.args.scale - usual) > 1e-9 * usual) keys.f32("attention.scale", attention.args.scale);
  if (attention.args.softcap > 0.0) keys.f32("attn_logit_softcapping", attention.args.softcap);
  if (attention.clip > 0.0) keys.f32("attention.clamp_kqv", attention.clip);
}

void add_expert_keys(const MoeSpec& experts, GgufKeyList& keys) {
  keys.u32("expert_count", experts.routing.experts);
  keys.u32("expert_used_count", experts.routing.chosen);
  keys.u32("expert_feed_forward_length", experts.width);
  if (experts.shared_gate) keys.u32("expert_shared_feed_forward_length", experts.shared_width);
}

}  // namespace

std::vector<GgufKey> gguf_config_keys(const Architecture& architecture, const ModelConfig& c) {
  GgufKeyList keys(architecture.gguf_names.front());
  keys.u32("block_count", c.layers);
  keys.u32("context_length", c.context_length);
  keys.u32("embedding_length", c.width);
  keys.u32("feed_forward_length", c.mlp_width);
  keys.u32("vocab_size", c.vocab_size);
  keys.u32("attention.head_count", c.heads);
  if (const AttentionSpec* attention = attention_of(c)) add_attention_keys(c, *attention, keys);
  keys.f32(c.decoder.norm.kind == NormKind::rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", c.norm_epsilon);
  if (!c.decoder.ropes.empty()) {
    keys.f32("rope.freq_base", c.rope_theta);
    keys.u32("rope.dimension_count", 2 * std::ssize(c.decoder.ropes.front().table.inverse_frequency));
  }
  if (c.window > 0) keys.u32("attention.sliding_window", c.window);
  if (c.decoder.logit_softcap > 0.0) keys.f32("final_logit_softcapping", c.decoder.logit_softcap);
  if (const MoeSpec* experts = experts_of(c)) add_expert_keys(*experts, keys);
  if (architecture.gguf_keys) architecture.gguf_keys(c, keys);
  return std::move(keys.keys);
}

const AttentionSpec* attention_of(const ModelConfig& c) {
  for (const LayerSpec& layer : c.decoder.layers)
    if (const AttentionSpec* attention = attention_of(layer)) return attention;
  return nullptr;
}

const MoeSpec* experts_of(const ModelConfig& c) {
  for (const LayerSpec& layer : c.decoder.layers)
    if (const auto* experts = dynamic_cast<const MoeSpec*>(layer.feed.get())) return experts;
  return nullptr;
}

bool is_parallel(const ModelConfig& c) {
  return c.decoder.residuals == Residuals::parallel || c.decoder.residuals == Residuals::parallel_two_norms;
}

Json write_hf_sizes(const ModelConfig& c, std::string_view hf_class, std::string_view model_type, const SizeNames& names) {
  Json out = Json::object({{"architectures", Json::array({Json(hf_class)})},
                           {"model_type", Json(model_type)},
                           {"tie_word_embeddings", c.tied_head},
                           {"use_cache", true}});
  const auto set = [&](const char* key, std::int64_t value) {
    if (key) out[key] = value;
  };
  set(names.vocab, c.vocab_size);
  set(names.width, c.width);
  set(names.mlp_width, c.mlp_width);
  set(names.layers, c.layers);
  set(names.heads, c.heads);
  set(names.kv_heads, c.kv_heads);
  set(names.head_dim, c.head_dim);
  set(names.context, c.context_length);
  return out;
}

void add_fields(Json& config, HfFields fields) {
  for (const auto& [key, value] : fields) config[key] = value;
}

void add_rope(Json& json, const ModelConfig& c, const char* theta_key, const char* share_key) {
  json[theta_key] = c.rope_theta;
  if (!share_key || c.decoder.ropes.empty()) return;
  const std::int64_t rotary = 2 * std::ssize(c.decoder.ropes.front().table.inverse_frequency);
  const auto width = static_cast<double>(c.head_dim);
  double share = static_cast<double>(rotary) / width;
  while (static_cast<std::int64_t>(width * share) < rotary) share = std::nextafter(share, 2.0);  // readers cut off
  json[share_key] = share;
}

Json llama_like_config(const ModelConfig& c, std::string_view hf_class, std::string_view model_type, const SizeNames& names) {
  Json out = write_hf_sizes(c, hf_class, model_type, names);
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"attention_bias", c.attention_bias}});
  add_rope(out, c);
  return out;
}

std::string activation_name(Activation activation, std::string_view tanh_name) {
  switch (activation) {
    case Activation::gelu_erf: return "gelu";
    case Activation::gelu_tanh: return std::string(tanh_name);
    case Activation::relu: return "relu";
    case Activation::relu_squared: return "relu2";
    default: return "silu";
  }
}

Json or_null(std::int64_t value) { return value > 0 ? Json(value) : Json(); }
Json or_null(double value) { return value > 0.0 ? Json(value) : Json(); }

Json layer_types(const ModelConfig& c, std::string_view without_attention) {
  Json types = Json::array();
  for (const LayerSpec& layer : c.decoder.layers) {
    const AttentionSpec* attention = attention_of(layer);
    types.push_back(!attention ? without_attention : attention->args.window > 0 ? "sliding_attention" : "full_attention");
  }
  return types;
}

}  // namespace vauban
