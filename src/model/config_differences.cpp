#include "model/config_differences.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "model/decoder/attention.h"
#include "model/decoder/gated_delta.h"
#include "model/decoder/mamba.h"
#include "model/decoder/mla.h"
#include "model/decoder/mlp.h"
#include "model/decoder/moe.h"
#include "model/decoder/short_conv.h"

namespace vauban {
namespace {

bool same(double a, double b) { return std::abs(a - b) <= 1e-6 * std::max(std::abs(a), std::abs(b)); }
bool same(const std::vector<double>& a, const std::vector<double>& b) {
  return std::ranges::equal(a, b, [](double x, double y) { return same(x, y); });
}
bool same(const RopeTable& a, const RopeTable& b) {
  return a.layout == b.layout && same(a.attention_factor, b.attention_factor) && same(a.inverse_frequency, b.inverse_frequency);
}
bool same(const RopeSpec& a, const RopeSpec& b) {
  const bool dynamic = a.dynamic.has_value() == b.dynamic.has_value() &&
                       (!a.dynamic || (same(a.dynamic->theta, b.dynamic->theta) && same(a.dynamic->factor, b.dynamic->factor) &&
                                       a.dynamic->original == b.dynamic->original));
  return dynamic && same(a.table, b.table) && a.switch_length == b.switch_length && same(a.beyond, b.beyond);
}
bool same(const NormSpec& a, const NormSpec& b) {
  return a.kind == b.kind && same(a.epsilon, b.epsilon) && a.weight == b.weight && a.bias == b.bias && a.hf_minus_one == b.hf_minus_one;
}

/// Collects names of what differs, each once.
class Differences {
 public:
  void unless(bool equal, std::string name) {
    if (!equal && std::ranges::find(names_, name) == names_.end()) names_.push_back(std::move(name));
  }
  void args(const AttentionArgs& a, const AttentionArgs& b) {
    unless(a.heads == b.heads && a.kv_heads == b.kv_heads && a.head_dim == b.head_dim, "heads");
    unless(same(a.scale, b.scale), "scale of attention scores");
    unless(a.window == b.window, "layers with a sliding window");
    unless(same(a.softcap, b.softcap), "soft cap of attention scores");
    unless(same(a.alibi_slopes, b.alibi_slopes), "ALiBi slopes");
  }
  void block(const AttentionSpec& a, const AttentionSpec& b) {
    args(a.args, b.args);
    unless(a.heads == b.heads && a.kv_heads == b.kv_heads && a.head_dim == b.head_dim, "heads");
    unless(a.fused == b.fused && a.grouped_in_hf == b.grouped_in_hf && a.split_in_gguf == b.split_in_gguf && a.gguf_pairs == b.gguf_pairs,
           "how q, k and v are stored");
    unless(a.gated == b.gated, "gates of attention heads");
    unless(a.qkv_bias == b.qkv_bias && a.out_bias == b.out_bias, "biases of attention");
    unless(same(a.clip, b.clip), "clipping of q, k and v");
    unless(a.qk_norm == b.qk_norm && (a.qk_norm == QkNorm::none || same(a.qk_norm_spec, b.qk_norm_spec)), "norms of q and k");
    unless(a.rope == b.rope, "layers that rotate");
    unless(a.sinks == b.sinks, "attention sinks");
  }
  void block(const MlaSpec& a, const MlaSpec& b) {
    args(a.args, b.args);
    unless(a.heads == b.heads && a.plain == b.plain && a.rotary == b.rotary && a.value == b.value && a.kv_rank == b.kv_rank &&
               a.q_rank == b.q_rank,
           "widths of latent attention");
    unless(a.bias == b.bias, "biases of attention");
    unless(a.split_in_gguf == b.split_in_gguf, "how k and v are stored");
    unless(same(a.norm, b.norm), "norms of latent attention");
  }
  void block(const MlpSpec& a, const MlpSpec& b) {
    unless(a.width == b.width, "width of the MLP");
    unless(a.gated == b.gated && a.fused == b.fused, "form of the MLP");
    unless(a.in_bias == b.in_bias && a.out_bias == b.out_bias, "biases of the MLP");
    unless(a.activation == b.activation, "activation");
  }
  void block(const MoeSpec& a, const MoeSpec& b) {
    const Routing& x = a.routing;
    const Routing& y = b.routing;
    unless(x.experts == y.experts && x.chosen == y.chosen, "number of experts");
    unless(x.scores == y.scores && a.correction == b.correction, "scores of experts");
    unless(x.groups == y.groups && x.groups_kept == y.groups_kept && (x.groups <= 1 || x.group_score == y.group_score),
           "groups of experts");
    unless(x.normalise == y.normalise, "normalising of expert weights (norm_topk_prob)");
    unless(same(x.scale, y.scale), "scale of expert weights");
    unless(a.width == b.width && a.shared_width == b.shared_width && a.shared_gate == b.shared_gate, "widths of experts");
    unless(a.activation == b.activation, "activation");
    unless(a.router_bias == b.router_bias && a.expert_bias == b.expert_bias, "biases of experts");
    unless(a.stacked_in_hf == b.stacked_in_hf && a.joined_in_hf == b.joined_in_hf, "how experts are stored");
  }
  void block(const ShortConvSpec& a, const ShortConvSpec& b) {
    unless(a.width == b.width && a.kernel == b.kernel, "sizes of convolutions");
    unless(a.bias == b.bias, "biases of convolutions");
  }
  void block(const MambaSpec& a, const MambaSpec& b) {
    unless(a.inner == b.inner && a.states == b.states && a.rank == b.rank && a.kernel == b.kernel, "sizes of state spaces");
    unless(a.bias == b.bias && a.conv_bias == b.conv_bias, "biases of state spaces");
  }
  void block(const GatedDeltaSpec& a, const GatedDeltaSpec& b) {
    unless(a.key_heads == b.key_heads && a.value_heads == b.value_heads && a.key_dim == b.key_dim && a.value_dim == b.value_dim &&
               a.kernel == b.kernel,
           "sizes of delta nets");  // a GGUF stores them in either of two ways
    unless(same(a.norm, b.norm), "norms of delta nets");
  }
  template <class Spec>
  bool both(const BlockSpec* a, const BlockSpec* b) {
    const auto* x = dynamic_cast<const Spec*>(a);
    const auto* y = dynamic_cast<const Spec*>(b);
    if (x && y) block(*x, *y);
    return x && y;
  }
  void blocks(const BlockSpec* a, const BlockSpec* b) {
    if (!a && !b) return;
    const bool known = both<AttentionSpec>(a, b) || both<MlaSpec>(a, b) || both<MlpSpec>(a, b) || both<MoeSpec>(a, b) ||
                       both<ShortConvSpec>(a, b) || both<MambaSpec>(a, b) || both<GatedDeltaSpec>(a, b);
    unless(known, "kinds of layers");
  }
  std::vector<std::string> take() { return std::move(names_); }

 private:
  std::vector<std::string> names_;
};

void compare_decoders(const DecoderSpec& a, const DecoderSpec& b, Differences& out) {
  out.unless(same(a.norm, b.norm), "norms");
  out.unless(a.residuals == b.residuals, "order of norms and residuals");
  out.unless(std::ranges::equal(a.ropes, b.ropes, [](const RopeSpec& x, const RopeSpec& y) { return same(x, y); }),
             "rotary frequencies");
  out.unless(same(a.embedding_scale, b.embedding_scale), "scale of the embedding");
  out.unless(same(a.residual_scale, b.residual_scale), "scale of residuals");
  out.unless(same(a.logit_scale, b.logit_scale), "scale of logits");
  out.unless(same(a.logit_softcap, b.logit_softcap), "soft cap of logits");
  out.unless(a.learned_positions == b.learned_positions && a.position_offset == b.position_offset, "table of positions");
  out.unless(a.embedding_norm == b.embedding_norm, "norm of the embedding");
  out.unless(a.head_bias == b.head_bias, "bias of the head");
  out.unless(a.layers.size() == b.layers.size(), "number of layers");
  for (std::size_t i = 0; i < std::min(a.layers.size(), b.layers.size()); ++i) {
    out.blocks(a.layers[i].mixer.get(), b.layers[i].mixer.get());
    out.blocks(a.layers[i].feed.get(), b.layers[i].feed.get());
  }
}

}  // namespace

std::vector<std::string> config_differences(const ModelConfig& a, const ModelConfig& b) {
  Differences out;
  out.unless(a.vocab_size == b.vocab_size, "size of the vocabulary");
  out.unless(a.width == b.width && a.mlp_width == b.mlp_width, "widths");
  out.unless(a.layers == b.layers, "number of layers");
  out.unless(a.heads == b.heads && a.kv_heads == b.kv_heads && a.head_dim == b.head_dim, "heads");
  out.unless(a.context_length == b.context_length, "context length");
  out.unless(a.window == b.window, "layers with a sliding window");
  out.unless(same(a.norm_epsilon, b.norm_epsilon), "epsilon of norms");
  out.unless(same(a.rope_theta, b.rope_theta), "base of rotary frequencies");
  out.unless(a.activation == b.activation, "activation");
  out.unless(a.attention_bias == b.attention_bias, "biases of attention");
  out.unless(a.mlp_bias == b.mlp_bias, "biases of the MLP");
  out.unless(a.tied_head == b.tied_head, "tied head");
  compare_decoders(a.decoder, b.decoder, out);
  return out.take();
}

}  // namespace vauban
