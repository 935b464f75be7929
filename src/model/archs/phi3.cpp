/// Phi-3: a Llama whose q, k, v and whose gate and up are fused into one matrix each, with a sliding window.
///
/// Source: Abdin et al. 2024 (arXiv 2404.14219); transformers Phi3ForCausalLM.
#include "model/archs/phi3.h"

#include <cmath>
#include <utility>

#include "model/archs/attention_sites.h"
#include "model/archs/phi3_config.h"

namespace vauban {
namespace {

// ---- forward: T tokens, D width, H query heads, K key/value heads, d head width, F MLP width, V vocabulary

struct LayerWeights {
  Weight attn_norm, mlp_norm;  // (D)
  Linear qkv, o;               // ((H + 2K)*d, D) (D, H*d)
  Linear gate_up, down;        // (2F, D) (D, F)
};

class Phi3Network final : public Network {
 public:
  explicit Phi3Network(const ModelConfig& config) : config_(config) {
    attention_.heads = static_cast<int>(config.heads);
    attention_.kv_heads = static_cast<int>(config.kv_heads);
    attention_.head_dim = static_cast<int>(config.head_dim);
    attention_.scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
    attention_.window = config.window;
  }

  Result<void> load(WeightLoader& weights);
  Tensor forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const override;
  KvGeometry kv_geometry() const override { return kv_geometry_of(config_); }
  std::int64_t weight_bytes() const override { return weight_bytes_; }
  void visit_weights(const WeightVisitor& visit) override;

 private:
  Tensor decoder_layer(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer, Tensor x) const;
  Tensor attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer, const Tensor& h) const;
  Tensor mlp(Ops& ops, const Tap& tap, int layer, const Tensor& h) const;

  Result<void> load_ends(WeightLoader& weights);
  Result<void> load_layer(WeightLoader& weights, std::int64_t layer);

  ModelConfig config_;
  AttentionArgs attention_;
  Embedding embedding_;  // (V, D)
  Weight final_norm_;    // (D)
  Head head_;            // (V, D)
  std::vector<LayerWeights> layers_;
  std::int64_t weight_bytes_ = 0;
};

Tensor Phi3Network::forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const {
  Tensor x = tap.at(Site::embed_out, 0, embedding_(ops, batch.ids));  // (T, D)
  for (int layer = 0; layer < static_cast<int>(config_.layers); ++layer)
    x = decoder_layer(ops, store, batch, tap, layer, std::move(x));
  x = tap.at(Site::final_norm_out, 0, ops.rms_norm(x, final_norm_, config_.norm_epsilon));
  if (batch.output_rows.empty()) return Tensor(ops.activation_dtype(), {0, config_.vocab_size}, StorageRef());
  return tap.at(Site::logits, 0, head_(ops, ops.select_rows(x, batch.output_rows)));
}

Tensor Phi3Network::decoder_layer(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer,
                                  Tensor x) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  x = tap.at(Site::resid_pre, layer, std::move(x));
  Tensor h = tap.at(Site::attn_norm_out, layer, ops.rms_norm(x, w.attn_norm, config_.norm_epsilon));
  x = ops.add(x, attention(ops, store, batch, tap, layer, h));
  x = tap.at(Site::resid_mid, layer, std::move(x));
  h = tap.at(Site::mlp_norm_out, layer, ops.rms_norm(x, w.mlp_norm, config_.norm_epsilon));
  x = ops.add(x, mlp(ops, tap, layer, h));
  return tap.at(Site::resid_post, layer, std::move(x));
}

Tensor Phi3Network::attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer,
                              const Tensor& h) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  const std::int64_t d = config_.head_dim, heads = config_.heads, kv_heads = config_.kv_heads;
  const Tensor qkv = w.qkv(ops, h);  // (T, (H + 2K)*d): all of q, then k, then v
  const auto part = [&](std::int64_t first_head, std::int64_t count) {
    return split_heads(ops.columns(qkv, first_head * d, count * d), count, d);
  };
  Tensor q = tap.at(Site::q, layer, part(0, heads));                        // (T, H, d)
  Tensor k = tap.at(Site::k, layer, part(heads, kv_heads));                 // (T, K, d)
  const Tensor v = tap.at(Site::v, layer, part(heads + kv_heads, kv_heads));  // (T, K, d)
  q = tap.at(Site::q_rot, layer, ops.rope(q, batch.positions, config_.rope));
  k = tap.at(Site::k_rot, layer, ops.rope(k, batch.positions, config_.rope));
  ops.kv_write(store, layer, k, v, batch);
  show_attention(ops, store, batch, tap, layer, q, attention_);
  const Tensor z = tap.at(Site::z, layer, ops.attention(q, store, layer, batch, attention_));  // (T, H, d)
  return tap.at(Site::attn_out, layer, w.o(ops, join_heads(z)));
}

Tensor Phi3Network::mlp(Ops& ops, const Tap& tap, int layer, const Tensor& h) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  const Tensor gate_up = w.gate_up(ops, h);  // (T, 2F): all of gate, then up
  const Tensor gate = tap.at(Site::gate, layer, ops.columns(gate_up, 0, config_.mlp_width));
  const Tensor up = tap.at(Site::up, layer, ops.columns(gate_up, config_.mlp_width, config_.mlp_width));
  const Tensor act = tap.at(Site::act, layer, ops.gated_activation(gate, up, config_.activation));
  return tap.at(Site::mlp_out, layer, w.down(ops, act));
}

// ---- weights

void Phi3Network::visit_weights(const WeightVisitor& visit) {
  embedding_.visit_weights(visit);
  for (LayerWeights& w : layers_) {
    visit(w.attn_norm);
    for (Linear* linear : {&w.qkv, &w.o}) linear->visit_weights(visit);
    visit(w.mlp_norm);
    for (Linear* linear : {&w.gate_up, &w.down}) linear->visit_weights(visit);
  }
  visit(final_norm_);
  head_.visit_weights(visit);
}

Result<void> Phi3Network::load_layer(WeightLoader& weights, std::int64_t layer) {
  LayerWeights& w = layers_.emplace_back();  // grows with what the file holds, not with what its header claims
  const Phi3LayerTensors t = phi3_layer_tensors(config_, layer);
  VB_TRY(w.attn_norm, weights.get(t.attn_norm));
  VB_TRY(w.qkv, weights.linear(t.qkv, false));
  VB_TRY(w.o, weights.linear(t.o, false));
  VB_TRY(w.mlp_norm, weights.get(t.mlp_norm));
  VB_TRY(w.gate_up, weights.linear(t.gate_up, false));
  VB_TRY(w.down, weights.linear(t.down, false));
  return ok();
}

Result<void> Phi3Network::load_ends(WeightLoader& weights) {
  const auto [table, final_norm, head] = phi3_end_tensors(config_);
  VB_TRY(final_norm_, weights.get(final_norm));
  VB_TRY(WeightLoader::Ends ends, weights.ends(table, head, config_.tied_head));
  embedding_ = std::move(ends.embedding);
  head_ = std::move(ends.head);
  return ok();
}

Result<void> Phi3Network::load(WeightLoader& weights) {
  VB_CHECK(load_ends(weights));
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) VB_CHECK(load_layer(weights, layer));
  weight_bytes_ = weights.loaded_bytes();
  return ok();
}

Result<std::unique_ptr<Network>> build(const ModelConfig& config, WeightLoader& weights) {
  auto network = std::make_unique<Phi3Network>(config);
  VB_CHECK(network->load(weights));
  return std::unique_ptr<Network>(std::move(network));
}

}  // namespace

Architecture phi3_architecture() {
  return {
      .id = "phi3",
      .summary = "a Llama with fused q/k/v and gate/up projections and a sliding window",
      .hf_names = {"Phi3ForCausalLM"},
      .gguf_names = {"phi3"},
      .source = "arXiv 2404.14219; transformers Phi3ForCausalLM",
      .sites = {Site::embed_out, Site::resid_pre, Site::attn_norm_out, Site::q, Site::k, Site::v, Site::q_rot,
                Site::k_rot, Site::attn_scores, Site::attn_pattern, Site::z, Site::attn_out, Site::resid_mid,
                Site::mlp_norm_out, Site::gate, Site::up, Site::act, Site::mlp_out, Site::resid_post,
                Site::final_norm_out, Site::logits},
      .ops = {Op::embed, Op::rms_norm, Op::linear, Op::rope, Op::attention, Op::gated_activation, Op::add,
              Op::columns, Op::select_rows, Op::lm_head},
      .config_from_hf = phi3_config_from_hf,
      .config_from_gguf = phi3_config_from_gguf,
      .build = build,
      .tensors = phi3_tensor_map,
  };
}

}  // namespace vauban
