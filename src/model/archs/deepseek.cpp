/// DeepSeek-V2 and V3 (and R1): latent attention; after a few dense layers, many small experts chosen by groups and shared
/// ones that see every token.
///
/// Sources: DeepSeek-AI 2024 (arXiv 2405.04434, 2412.19437); transformers DeepseekV2ForCausalLM, DeepseekV3ForCausalLM.
#include <algorithm>

#include "model/archs/archs.h"
#include "model/archs/writing.h"
#include "model/decoder/mla.h"

namespace vauban {
namespace {

/// Every layer's.
MlaSpec latent_attention_of(const ModelConfig& c) { return dynamic_cast<const MlaSpec&>(*c.decoder.layers.front().mixer); }

struct DeepSeek {
  MlaSpec attention;
  MoeSpec experts;
  std::int64_t dense_layers = 0;
};

/// `score_scale`: what multiplies 1 / sqrt(key width).
ModelConfig decoder_of(ModelConfig c, RopeConfig rope, DeepSeek own, double score_scale) {
  set_rope(c, std::move(rope));
  c.decoder.norm = rms_norm(c.norm_epsilon);
  own.attention.norm = c.decoder.norm;
  own.attention.heads = c.heads;
  c.kv_heads = c.heads;
  c.head_dim = own.attention.plain + own.attention.rotary;
  own.attention.args = attention_spec(c).args;
  own.attention.args.scale *= score_scale;
  set_layers(c, in_all(own.attention), in_sparse({.dense_first = own.dense_layers}, own.experts, mlp_spec(c)));
  return c;
}

Result<void> check_groups(const Routing& routing, const std::string& where) {
  if (routing.groups < 1 || routing.groups_kept < 1 || routing.groups_kept > routing.groups || routing.experts % routing.groups != 0)
    return corrupt("{}: {} experts do not divide into {} groups of which {} are kept", where, routing.experts, routing.groups, routing.groups_kept);
  if (routing.chosen > routing.experts / routing.groups * routing.groups_kept)
    return corrupt("{}: {} experts cannot be chosen from {} groups", where, routing.chosen, routing.groups_kept);
  return ok();
}

Result<void> read_routing(const ConfigKeys& keys, bool third, Routing& routing) {
  VB_TRY(routing.scale, keys.positive_or("routed_scaling_factor", third ? 2.5 : 1.0));
  VB_TRY(routing.normalise, keys.flag_or("norm_topk_prob", third));
  VB_TRY(const std::int64_t groups, keys.count_or("n_group", third ? 8 : 1));
  VB_TRY(const std::int64_t kept, keys.count_or("topk_group", third ? 4 : groups));
  VB_TRY(const std::string method, keys.text_or("topk_method", third ? "noaux_tc" : "greedy"));
  if (method != "greedy" && method != "group_limited_greedy" && method != "noaux_tc")
    return unsupported("{} is '{}'; known: greedy, group_limited_greedy, noaux_tc", keys.name("topk_method"), method);
  if (third) {
    routing.scores = Routing::Scores::sigmoid;
    routing.group_score = Routing::GroupScore::sum_of_two;
  }
  if (method != "greedy") {
    routing.groups = static_cast<int>(groups);
    routing.groups_kept = static_cast<int>(kept);
  }
  return check_groups(routing, keys.name("n_group"));
}

Result<double> score_scale_of(const ConfigKeys& keys) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const Json* found = keys.find(key);
    if (!found || !found->is_object()) continue;
    const ConfigKeys scaling(*found, keys.name(key));
    if (!scaling.find("mscale_all_dim") || !scaling.find("factor")) continue;
    VB_TRY(const double factor, scaling.positive("factor"));
    VB_TRY(const double all, scaling.positive("mscale_all_dim"));
    const double mscale = yarn_mscale(factor, all);
    return mscale * mscale;
  }
  return 1.0;
}

Result<ModelConfig> from_hf(const ModelSource& source) {
  const HfKeys keys(source);
  const bool third = source.config.find("architectures")->items().front() == Json("DeepseekV3ForCausalLM");
  VB_TRY(ModelConfig c, read_hf_sizes(keys, "deepseek", {.head_dim = "qk_rope_head_dim"}));
  VB_CHECK(refuse_keys(keys.config, {"moe_layer_freq"}, 1.0));
  VB_TRY(c.activation, read_activation(keys.config, "hidden_act", "silu"));
  VB_TRY(c.norm_epsilon, keys.config.positive_or("rms_norm_eps", 1e-6));
  DeepSeek own;
  MlaSpec& attention = own.attention;
  VB_TRY(attention.bias, keys.config.flag_or("attention_bias", false));
  VB_TRY(attention.plain, keys.config.count_or("qk_nope_head_dim", 128, ConfigKeys::kMaxHeads));
  VB_TRY(attention.rotary, keys.config.count_or("qk_rope_head_dim", 64, ConfigKeys::kMaxHeads));
  VB_TRY(attention.value, keys.config.count_or("v_head_dim", 128, ConfigKeys::kMaxHeads));
  VB_TRY(attention.kv_rank, keys.config.count_or("kv_lora_rank", 512, ConfigKeys::kMaxHeads));
  if (keys.config.find("q_lora_rank")) {
    VB_TRY(attention.q_rank, keys.config.count("q_lora_rank", ConfigKeys::kMaxHeads));
  } else if (!has_key(source, "q_lora_rank")) {
    attention.q_rank = 1536;
  }
  if (attention.value > attention.plain + attention.rotary)
    return unsupported("{} is {}: values wider than keys are not known", keys.config.name("v_head_dim"), attention.value);
  VB_TRY(const std::int64_t experts, keys.config.count_or("n_routed_experts", third ? 256 : 64));
  VB_TRY(const std::int64_t chosen, keys.config.count_or("num_experts_per_tok", third ? 8 : 6));
  VB_TRY(const std::int64_t width, keys.config.count_or("moe_intermediate_size", third ? 2048 : 1407));
  VB_TRY(own.experts, moe_spec(c, experts, chosen, width));
  VB_CHECK(read_routing(keys.config, third, own.experts.routing));
  own.experts.correction = third;
  VB_TRY(const std::int64_t shared, keys.config.count_or_zero("n_shared_experts", third ? 1 : 2, ConfigKeys::kMaxHeads));
  own.experts.shared_width = shared * width;
  VB_TRY(own.dense_layers, keys.config.count_or_zero("first_k_dense_replace", third ? 3 : 0));
  VB_TRY(const bool by_turns, keys.config.flag_or("rope_interleave", true));
  const RopeLayout layout = by_turns ? RopeLayout::interleaved : RopeLayout::half;
  VB_TRY(RopeConfig rope, rope_from_hf(keys.config, attention.rotary, c.context_length, {.layout = layout}));
  VB_TRY(const double score_scale, score_scale_of(keys.config));
  return decoder_of(std::move(c), std::move(rope), std::move(own), score_scale);
}

Result<ModelConfig> from_gguf(const ModelSource& source) {
  const GgufKeys gguf(source, "deepseek2");
  const ConfigKeys& keys = gguf.config;
  VB_TRY(ModelConfig c, read_gguf_sizes(gguf, "deepseek", GgufHeads::own_widths));
  VB_TRY(c.norm_epsilon, keys.positive("attention.layer_norm_rms_epsilon"));
  DeepSeek own;
  MlaSpec& attention = own.attention;
  VB_TRY(const std::int64_t key_width, keys.count("attention.key_length_mla", ConfigKeys::kMaxHeads));
  VB_TRY(attention.value, keys.count("attention.value_length_mla", ConfigKeys::kMaxHeads));
  VB_TRY(attention.rotary, keys.count("rope.dimension_count", ConfigKeys::kMaxHeads));
  if (attention.rotary >= key_width || attention.value > key_width)
    return corrupt("{}: keys of {} hold neither {} rotated elements nor values of {}", keys.name("attention.key_length_mla"), key_width, attention.rotary, attention.value);
  attention.plain = key_width - attention.rotary;
  attention.split_in_gguf = true;
  VB_TRY(attention.kv_rank, keys.count("attention.kv_lora_rank", ConfigKeys::kMaxHeads));
  if (keys.find("attention.q_lora_rank")) {
    VB_TRY(attention.q_rank, keys.count("attention.q_lora_rank", ConfigKeys::kMaxHeads));
  }
  VB_TRY(own.experts, moe_spec(c, keys));
  Routing& routing = own.experts.routing;
  VB_TRY(routing.scale, keys.positive_or("expert_weights_scale", 1.0));
  VB_TRY(routing.normalise, keys.flag_or("expert_weights_norm", false));
  VB_TRY(const std::int64_t gating, keys.count_or("expert_gating_func", 1));  // 1: softmax, 2: sigmoid
  if (gating == 2) {
    routing.scores = Routing::Scores::sigmoid;
    routing.group_score = Routing::GroupScore::sum_of_two;
  } else if (gating != 1) {
    return unsupported("{} is {}; known: 1 (softmax), 2 (sigmoid)", keys.name("expert_gating_func"), gating);
  }
  VB_TRY(const std::int64_t groups, keys.count_or("expert_group_count", 1, ConfigKeys::kMaxHeads));
  VB_TRY(const std::int64_t kept, keys.count_or("expert_group_used_count", groups, ConfigKeys::kMaxHeads));
  routing.groups = static_cast<int>(groups);
  routing.groups_kept = static_cast<int>(kept);
  VB_CHECK(check_groups(routing, keys.name("expert_group_count")));
  VB_TRY(const std::int64_t shared, keys.count_or_zero("expert_shared_count", 1, ConfigKeys::kMaxHeads));
  own.experts.shared_width = shared * own.experts.width;
  VB_TRY(own.dense_layers, keys.count_or_zero("leading_dense_block_count", 0));
  own.experts.correction = gguf.file.find(format("blk.{}.exp_probs_b.bias", own.dense_layers)) != nullptr;
  VB_TRY(RopeConfig rope, rope_from_gguf(keys, gguf.file, attention.rotary, c.context_length, RopeLayout::interleaved));
  double score_scale = 1.0;
  if (keys.find("rope.scaling.yarn_log_multiplier")) {
    VB_TRY(const double multiplier, keys.positive("rope.scaling.yarn_log_multiplier"));  // 0.1 mscale_all_dim
    VB_TRY(const double factor, keys.positive_or("rope.scaling.factor", 1.0));
    const double mscale = yarn_mscale(factor, 10.0 * multiplier);
    score_scale = mscale * mscale;
    rope.rope.table.attention_factor = 1.0;
  }
  return decoder_of(std::move(c), std::move(rope), std::move(own), score_scale);
}

DecoderNames names(const ModelConfig&) {
  DecoderNames n;
  n.shared_gate.hf = "mlp.shared_experts.gate_proj";
  n.shared_up.hf = "mlp.shared_experts.up_proj";
  n.shared_down.hf = "mlp.shared_experts.down_proj";
  return n;
}

/// Folders fuse what widens keys and values; a GGUF keeps it apart, head by head.
ModelConfig gguf_form(ModelConfig c) {
  MlaSpec attention = latent_attention_of(c);
  attention.split_in_gguf = true;
  const auto mixer = std::make_shared<const MlaSpec>(attention);
  for (LayerSpec& layer : c.decoder.layers) layer.mixer = mixer;
  return c;
}

std::int64_t dense_layers_of(const ModelConfig& c) {
  const auto first = std::ranges::find_if(c.decoder.layers, [](const LayerSpec& layer) { return dynamic_cast<const MoeSpec*>(layer.feed.get()); });
  return first - c.decoder.layers.begin();
}

std::int64_t shared_experts_of(const MoeSpec& experts) { return experts.shared_width / experts.width; }

/// The cache of a reader that absorbs the wide matrices holds one narrow vector per token: "one key/value head".
void own_gguf_keys(const ModelConfig& c, GgufKeyList& keys) {
  const MlaSpec attention = latent_attention_of(c);
  keys.u32("attention.head_count_kv", 1);
  keys.u32("attention.key_length", attention.kv_rank + attention.rotary);
  keys.u32("attention.value_length", attention.kv_rank);
  keys.u32("attention.key_length_mla", attention.plain + attention.rotary);
  keys.u32("attention.value_length_mla", attention.value);
  keys.u32("attention.kv_lora_rank", attention.kv_rank);
  if (attention.q_rank > 0) keys.u32("attention.q_lora_rank", attention.q_rank);
  keys.u32("leading_dense_block_count", dense_layers_of(c));
  const MoeSpec* experts = experts_of(c);
  if (!experts) return;
  const Routing& routing = experts->routing;
  keys.u32("expert_shared_count", shared_experts_of(*experts));
  keys.f32("expert_weights_scale", routing.scale);
  keys.flag("expert_weights_norm", routing.normalise);
  keys.u32("expert_gating_func", routing.scores == Routing::Scores::sigmoid ? 2 : 1);
  if (routing.groups <= 1) return;
  keys.u32("expert_group_count", routing.groups);
  keys.u32("expert_group_used_count", routing.groups_kept);
}

Json hf_config(const ModelConfig& c) {
  const MlaSpec attention = latent_attention_of(c);
  const MoeSpec* found = experts_of(c);
  const MoeSpec experts = found ? *found : MoeSpec{};
  const bool third = experts.routing.scores == Routing::Scores::sigmoid, groups = experts.routing.groups > 1;
  Json out = write_hf_sizes(c, third ? "DeepseekV3ForCausalLM" : "DeepseekV2ForCausalLM", third ? "deepseek_v3" : "deepseek_v2", {.head_dim = nullptr});
  add_fields(out, {{"rms_norm_eps", c.norm_epsilon}, {"hidden_act", activation_name(c.activation)}, {"attention_bias", attention.bias},
                   {"qk_nope_head_dim", attention.plain}, {"qk_rope_head_dim", attention.rotary}, {"v_head_dim", attention.value},
                   {"kv_lora_rank", attention.kv_rank}, {"q_lora_rank", or_null(attention.q_rank)}, {"moe_layer_freq", 1},
                   {"first_k_dense_replace", dense_layers_of(c)}});
  add_rope(out, c);
  if (!found) return out;
  const Routing& routing = experts.routing;
  add_fields(out, {{"n_routed_experts", routing.experts}, {"num_experts_per_tok", routing.chosen}, {"moe_intermediate_size", experts.width},
                   {"n_shared_experts", shared_experts_of(experts)}, {"norm_topk_prob", routing.normalise}, {"routed_scaling_factor", routing.scale},
                   {"scoring_func", third ? "sigmoid" : "softmax"}, {"n_group", routing.groups}, {"topk_group", routing.groups_kept},
                   {"topk_method", third ? "noaux_tc" : groups ? "group_limited_greedy" : "greedy"}});
  return out;
}

}  // namespace

Architecture deepseek_architecture() {
  return {
      .id = "deepseek",
      .summary = "latent attention, many small experts by groups, shared ones (DeepSeek V2, V3, R1)",
      .hf_names = {"DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"},
      .gguf_names = {"deepseek2"},
      .source = "arXiv 2405.04434, 2412.19437",
      .config_from_hf = from_hf,
      .config_from_gguf = from_gguf,
      .names = names,
      .hf_config = hf_config,
      .gguf_keys = own_gguf_keys,
      .gguf_form = gguf_form,
      .llama_cpp = {.yarn_log_multiplier = true},
  };
}

}  // namespace vauban
