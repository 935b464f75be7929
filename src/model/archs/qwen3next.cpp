/// Qwen3-Next: gated delta nets, every few layers attention with an output gate; experts with a gated shared one. Norms
/// multiply by 1 + w, but for the delta net's own.
///
/// Source: Qwen Team 2025, Qwen3-Next; transformers Qwen3NextForCausalLM.
#include <algorithm>

#include "base/strings.h"
#include "model/archs/archs.h"
#include "model/archs/writing.h"
#include "model/decoder/gated_delta.h"

namespace vauban {
namespace {

ModelConfig decoder_of(ModelConfig c, RopeConfig rope, GatedDeltaSpec delta, MoeSpec moe, const SparseLayers& sparse,
                       const std::vector<bool>& is_delta) {
  set_rope(c, std::move(rope));
  delta.norm = rms_norm(c.norm_epsilon);
  c.decoder.norm = rms_norm(c.norm_epsilon);
  c.decoder.norm.hf_minus_one = true;
  AttentionSpec attention = attention_spec(c);
  attention.gated = true;
  attention.qk_norm = QkNorm::per_head;
  attention.qk_norm_spec = c.decoder.norm;
  moe.shared_gate = moe.shared_width > 0;
  set_layers(c, in_marked(is_delta, in_all(delta), in_all(attention)), in_sparse(sparse, moe, mlp_spec(c)));
  return c;
}

Result<GatedDeltaSpec> delta_spec(const ConfigKeys& keys) {
  GatedDeltaSpec delta;
  VB_TRY(delta.key_heads, keys.count_or("linear_num_key_heads", 16, ConfigKeys::kMaxHeads));
  VB_TRY(delta.value_heads, keys.count_or("linear_num_value_heads", 32, ConfigKeys::kMaxHeads));
  VB_TRY(delta.key_dim, keys.count_or("linear_key_head_dim", 128, ConfigKeys::kMaxHeads));
  VB_TRY(delta.value_dim, keys.count_or("linear_value_head_dim", 128, ConfigKeys::kMaxHeads));
  VB_TRY(const std::int64_t kernel, keys.count_or("linear_conv_kernel_dim", 4, ConfigKeys::kMaxHeads));
  if (delta.value_heads % delta.key_heads != 0)
    return corrupt("{}: {} value heads do not divide into {} key heads", keys.name("linear_num_value_heads"), delta.value_heads, delta.key_heads);
  if (kernel < 2) return unsupported("{}: a convolution over {} position is not known", keys.name("linear_conv_kernel_dim"), kernel);
  delta.kernel = static_cast<int>(kernel);
  return delta;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  const ConfigKeys& config = keys.config;
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "qwen3next", {.default_context = 32768, .default_head_dim = 256}));
  VB_TRY(c.activation, read_activation(config, "hidden_act", "silu"));
  if (c.activation != Activation::silu) return unsupported("{}: Qwen3-Next is known with silu only", config.name("hidden_act"));
  VB_TRY(c.norm_epsilon, config.positive_or("rms_norm_eps", 1e-6));
  VB_TRY(c.attention_bias, config.flag_or("attention_bias", false));
  VB_TRY(const GatedDeltaSpec delta, delta_spec(config));
  VB_TRY(const std::int64_t experts, config.count_or(config.find("num_experts") ? "num_experts" : "num_local_experts", 512));
  VB_TRY(const std::int64_t chosen, config.count_or("num_experts_per_tok", 10));
  VB_TRY(const std::int64_t width, config.count_or("moe_intermediate_size", 512));
  VB_TRY(MoeSpec moe, moe_spec(c, experts, chosen, width));
  VB_TRY(moe.routing.normalise, config.flag_or("norm_topk_prob", true));
  VB_TRY(moe.shared_width, config.count_or_zero("shared_expert_intermediate_size", 512));
  VB_TRY(const SparseLayers sparse, sparse_layers(config));
  VB_TRY(const std::int64_t interval, config.count_or("full_attention_interval", 4));
  VB_TRY(const std::vector<bool> is_delta, layers_of_kind(config, c, "linear_attention", [&](std::int64_t layer) { return (layer + 1) % interval != 0; }));
  VB_TRY(RopeConfig rope, rope_from_hf(config, c.head_dim, c.context_length, {.default_share = 0.25}));
  return decoder_of(std::move(c), std::move(rope), delta, std::move(moe), sparse, is_delta);
}

/// A list says which layers are recurrent, or all but every so many are.
Result<std::vector<bool>> recurrent_layers(const ConfigKeys& keys, const ModelConfig& c) {
  std::vector<bool> recurrent(static_cast<std::size_t>(c.layers));
  VB_TRY(const std::int64_t interval, keys.count_or("full_attention_interval", 4));
  const Json* list = keys.find("attention.recurrent_layers");
  if (list && (!list->is_array() || list->size() != recurrent.size()))
    return corrupt("{}: expected a list of {} flags, found {}", keys.name("attention.recurrent_layers"), c.layers, shown(*list));
  for (std::size_t i = 0; i < recurrent.size(); ++i)
    recurrent[i] = list ? list->items()[i] == Json(true) : (static_cast<std::int64_t>(i) + 1) % interval != 0;
  return recurrent;
}

/// Older files keep the projection as folders do.
bool is_split(const ModelFile& file, const std::vector<bool>& recurrent) {
  const auto first = std::ranges::find(recurrent, true);
  return first == recurrent.end() || !file.find(format("blk.{}.ssm_in.weight", first - recurrent.begin()));
}

Result<GatedDeltaSpec> delta_spec_of_gguf(const ConfigKeys& keys) {
  GatedDeltaSpec delta;
  VB_TRY(delta.key_heads, keys.count("ssm.group_count", ConfigKeys::kMaxHeads));
  VB_TRY(delta.value_heads, keys.count("ssm.time_step_rank", ConfigKeys::kMaxHeads));
  VB_TRY(delta.key_dim, keys.count("ssm.state_size", ConfigKeys::kMaxHeads));
  VB_TRY(const std::int64_t inner, keys.count("ssm.inner_size"));
  VB_TRY(const std::int64_t kernel, keys.count("ssm.conv_kernel", ConfigKeys::kMaxHeads));
  delta.value_dim = inner / delta.value_heads;
  if (delta.value_heads % delta.key_heads != 0 || inner != delta.value_heads * delta.key_dim)
    return unsupported("{}: {} elements of {} value heads; expected heads as wide as the {} key heads of {}", keys.name("ssm.inner_size"), inner,
                       delta.value_heads, delta.key_heads, delta.key_dim);
  if (kernel < 2) return unsupported("{}: a convolution over {} position is not known", keys.name("ssm.conv_kernel"), kernel);
  delta.kernel = static_cast<int>(kernel);
  return delta;
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys keys(source, "qwen3next");
  VB_TRY(ModelConfig c, read_gguf_sizes(keys, "qwen3next"));
  VB_TRY(c.norm_epsilon, keys.config.positive("attention.layer_norm_rms_epsilon"));
  VB_TRY(GatedDeltaSpec delta, delta_spec_of_gguf(keys.config));
  VB_TRY(MoeSpec moe, moe_spec(c, keys.config));
  VB_TRY(moe.shared_width, keys.config.count("expert_shared_feed_forward_length"));
  moe.routing.normalise = true;  // the format has no key for it
  VB_TRY(const std::vector<bool> recurrent, recurrent_layers(keys.config, c));
  delta.split_in_gguf = is_split(keys.file, recurrent);
  VB_TRY(RopeConfig rope, rope_from_gguf(keys.config, keys.file, c.head_dim, c.context_length));
  return decoder_of(std::move(c), std::move(rope), delta, std::move(moe), {}, recurrent);
}

const GatedDeltaSpec* delta_of(const LayerSpec& layer) { return dynamic_cast<const GatedDeltaSpec*>(layer.mixer.get()); }

/// The first layer's; the family's defaults where every layer attends.
GatedDeltaSpec delta_of(const ModelConfig& c) {
  for (const LayerSpec& layer : c.decoder.layers)
    if (const GatedDeltaSpec* delta = delta_of(layer)) return *delta;
  GatedDeltaSpec usual;
  usual.key_heads = 16;
  usual.value_heads = 32;
  usual.key_dim = usual.value_dim = 128;
  usual.kernel = 4;
  return usual;
}

ModelConfig gguf_form(ModelConfig c) {
  for (LayerSpec& layer : c.decoder.layers)
    if (const GatedDeltaSpec* delta = delta_of(layer)) {
      GatedDeltaSpec split = *delta;
      split.split_in_gguf = true;
      layer.mixer = std::make_shared<const GatedDeltaSpec>(split);
    }
  return c;
}

void gguf_keys(const ModelConfig& c, GgufKeyList& keys) {
  const GatedDeltaSpec delta = delta_of(c);
  keys.u32("ssm.conv_kernel", delta.kernel);
  keys.u32("ssm.state_size", delta.key_dim);
  keys.u32("ssm.group_count", delta.key_heads);
  keys.u32("ssm.time_step_rank", delta.value_heads);
  keys.u32("ssm.inner_size", delta.values());
  Json::Array recurrent;
  for (const LayerSpec& layer : c.decoder.layers) recurrent.emplace_back(delta_of(layer) != nullptr);
  keys.list("attention.recurrent_layers", GgufType::boolean, std::move(recurrent));
}

Json hf_config(const ModelConfig& c) {
  const MoeSpec moe = *experts_of(c);
  const GatedDeltaSpec delta = delta_of(c);
  Json out = llama_like_config(c, "Qwen3NextForCausalLM", "qwen3_next");
  add_rope(out, c, "rope_theta", "partial_rotary_factor");
  add_fields(out, {{"linear_num_key_heads", delta.key_heads}, {"linear_num_value_heads", delta.value_heads}, {"linear_key_head_dim", delta.key_dim},
                   {"linear_value_head_dim", delta.value_dim}, {"linear_conv_kernel_dim", delta.kernel}, {"num_experts", moe.routing.experts},
                   {"num_experts_per_tok", moe.routing.chosen}, {"moe_intermediate_size", moe.width}, {"norm_topk_prob", moe.routing.normalise},
                   {"shared_expert_intermediate_size", moe.shared_width}, {"decoder_sparse_step", 1}, {"mlp_only_layers", Json::array()},
                   {"layer_types", layer_types(c, "linear_attention")}});
  return out;
}

DecoderNames names(const ModelConfig&) {
  DecoderNames names;
  names.mlp_norm.gguf = "post_attention_norm";
  return names;
}

}  // namespace

Architecture qwen3next_architecture() {
  return {
      .id = "qwen3next",
      .summary = "gated delta nets beside gated attention, with experts (Qwen3-Next); inference only",
      .hf_names = {"Qwen3NextForCausalLM"},
      .gguf_names = {"qwen3next"},
      .source = "Qwen Team 2025; transformers Qwen3NextForCausalLM",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = gguf_keys,
      .gguf_form = gguf_form,
      .llama_cpp = {.unit_vectors_by_norm_epsilon = true},
  };
}

}  // namespace vauban
