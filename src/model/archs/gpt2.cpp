/// GPT-2: learned positions, LayerNorm before attention and MLP, one fused projection to q, k and v, a tied head.
///
/// Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; transformers GPT2LMHeadModel.
/// Its files store matrices as (in, out) (Conv1D); they are transposed when they are loaded.
#include "model/archs/gpt2.h"

#include <cmath>
#include <utility>

#include "model/archs/attention_sites.h"
#include "model/archs/gpt2_config.h"

namespace vauban {
namespace {

// ---- forward: T tokens, D width, H heads, d head width, F MLP width, V vocabulary, N positions

struct LayerNorm {
  Weight weight, bias;  // (D)
  Tensor operator()(Ops& ops, const Tensor& x, double epsilon) const {
    return ops.layer_norm(x, weight, &bias, epsilon);
  }
  void visit_weights(const WeightVisitor& visit) {
    visit(weight);
    visit(bias);
  }
};

struct LayerWeights {
  LayerNorm attn_norm, mlp_norm;
  Linear qkv, attn_out;  // (3D, D) (D, D)
  Linear up, down;       // (F, D) (D, F)
};

class Gpt2Network final : public Network {
 public:
  explicit Gpt2Network(const ModelConfig& config) : config_(config) {
    attention_.heads = attention_.kv_heads = static_cast<int>(config.heads);
    attention_.head_dim = static_cast<int>(config.head_dim);
    attention_.scale = 1.0 / std::sqrt(static_cast<double>(config.head_dim));
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
  Embedding embedding_, positions_;  // (V, D) (N, D)
  LayerNorm final_norm_;
  Head head_;  // (V, D)
  std::vector<LayerWeights> layers_;
  std::int64_t weight_bytes_ = 0;
};

Tensor Gpt2Network::forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const {
  Tensor x = ops.add(embedding_(ops, batch.ids), positions_(ops, batch.positions));  // (T, D)
  x = tap.at(Site::embed_out, 0, std::move(x));
  for (int layer = 0; layer < static_cast<int>(config_.layers); ++layer)
    x = decoder_layer(ops, store, batch, tap, layer, std::move(x));
  x = tap.at(Site::final_norm_out, 0, final_norm_(ops, x, config_.norm_epsilon));
  if (batch.output_rows.empty()) return Tensor(ops.activation_dtype(), {0, config_.vocab_size}, StorageRef());
  return tap.at(Site::logits, 0, head_(ops, ops.select_rows(x, batch.output_rows)));
}

Tensor Gpt2Network::decoder_layer(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer,
                                  Tensor x) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  x = tap.at(Site::resid_pre, layer, std::move(x));
  Tensor h = tap.at(Site::attn_norm_out, layer, w.attn_norm(ops, x, config_.norm_epsilon));
  x = ops.add(x, attention(ops, store, batch, tap, layer, h));
  x = tap.at(Site::resid_mid, layer, std::move(x));
  h = tap.at(Site::mlp_norm_out, layer, w.mlp_norm(ops, x, config_.norm_epsilon));
  x = ops.add(x, mlp(ops, tap, layer, h));
  return tap.at(Site::resid_post, layer, std::move(x));
}

Tensor Gpt2Network::attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer,
                              const Tensor& h) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  const Tensor qkv = w.qkv(ops, h);  // (T, 3D)
  const auto part = [&](std::int64_t which) {
    return split_heads(ops.columns(qkv, which * config_.width, config_.width), config_.heads, config_.head_dim);
  };
  const Tensor q = tap.at(Site::q, layer, part(0));  // (T, H, d)
  const Tensor k = tap.at(Site::k, layer, part(1));
  const Tensor v = tap.at(Site::v, layer, part(2));
  ops.kv_write(store, layer, k, v, batch);
  show_attention(ops, store, batch, tap, layer, q, attention_);
  const Tensor z = tap.at(Site::z, layer, ops.attention(q, store, layer, batch, attention_));  // (T, H, d)
  return tap.at(Site::attn_out, layer, w.attn_out(ops, join_heads(z)));
}

Tensor Gpt2Network::mlp(Ops& ops, const Tap& tap, int layer, const Tensor& h) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  const Tensor up = tap.at(Site::up, layer, w.up(ops, h));  // (T, F)
  const Tensor act = tap.at(Site::act, layer, ops.activation(up, config_.activation));
  return tap.at(Site::mlp_out, layer, w.down(ops, act));
}

// ---- weights

void Gpt2Network::visit_weights(const WeightVisitor& visit) {
  for (Embedding* table : {&embedding_, &positions_}) table->visit_weights(visit);
  for (LayerWeights& w : layers_) {
    w.attn_norm.visit_weights(visit);
    for (Linear* linear : {&w.qkv, &w.attn_out}) linear->visit_weights(visit);
    w.mlp_norm.visit_weights(visit);
    for (Linear* linear : {&w.up, &w.down}) linear->visit_weights(visit);
  }
  final_norm_.visit_weights(visit);
  head_.visit_weights(visit);
}

Result<LayerNorm> load_norm(WeightLoader& weights, const TensorSpec& norm) {
  LayerNorm loaded;
  VB_TRY(loaded.weight, weights.get(norm_weight_of(norm)));
  VB_TRY(loaded.bias, weights.get(bias_of(norm)));
  return loaded;
}

/// Causal masks that older files carry.
void pass_over_masks(WeightLoader& weights, std::int64_t layer) {
  for (const char* prefix : {"transformer.h.", "h."})
    for (const char* buffer : {".attn.bias", ".attn.masked_bias"})
      weights.mark_used(format("{}{}{}", prefix, layer, buffer));
}

Result<void> Gpt2Network::load_layer(WeightLoader& weights, std::int64_t layer) {
  LayerWeights& w = layers_.emplace_back();  // grows with what the file holds, not with what its header claims
  const Gpt2LayerTensors t = gpt2_layer_tensors(config_, layer);
  VB_TRY(w.attn_norm, load_norm(weights, t.attn_norm));
  VB_TRY(w.qkv, weights.linear(t.qkv, true));
  VB_TRY(w.attn_out, weights.linear(t.attn_out, true));
  VB_TRY(w.mlp_norm, load_norm(weights, t.mlp_norm));
  VB_TRY(w.up, weights.linear(t.up, true));
  VB_TRY(w.down, weights.linear(t.down, true));
  pass_over_masks(weights, layer);
  return ok();
}

Result<void> Gpt2Network::load_ends(WeightLoader& weights) {
  const auto [table, positions, final_norm, head] = gpt2_end_tensors(config_);
  VB_TRY(positions_, weights.embedding(positions));
  VB_TRY(final_norm_, load_norm(weights, final_norm));
  VB_TRY(WeightLoader::Ends ends, weights.ends(table, head, config_.tied_head));
  embedding_ = std::move(ends.embedding);
  head_ = std::move(ends.head);
  return ok();
}

Result<void> Gpt2Network::load(WeightLoader& weights) {
  VB_CHECK(load_ends(weights));
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) VB_CHECK(load_layer(weights, layer));
  weight_bytes_ = weights.loaded_bytes();
  return ok();
}

Result<std::unique_ptr<Network>> build(const ModelConfig& config, WeightLoader& weights) {
  auto network = std::make_unique<Gpt2Network>(config);
  VB_CHECK(network->load(weights));
  return std::unique_ptr<Network>(std::move(network));
}

}  // namespace

Architecture gpt2_architecture() {
  return {
      .id = "gpt2",
      .summary = "learned positions, LayerNorm, fused q/k/v projection, GELU MLP, tied head",
      .hf_names = {"GPT2LMHeadModel"},
      .gguf_names = {"gpt2"},
      .source = "Radford et al. 2019; transformers GPT2LMHeadModel",
      .sites = {Site::embed_out, Site::resid_pre, Site::attn_norm_out, Site::q, Site::k, Site::v, Site::attn_scores,
                Site::attn_pattern, Site::z, Site::attn_out, Site::resid_mid, Site::mlp_norm_out, Site::up, Site::act,
                Site::mlp_out, Site::resid_post, Site::final_norm_out, Site::logits},
      .ops = {Op::embed, Op::layer_norm, Op::linear, Op::attention, Op::activation, Op::add, Op::columns,
              Op::select_rows, Op::lm_head},
      .config_from_hf = gpt2_config_from_hf,
      .config_from_gguf = gpt2_config_from_gguf,
      .build = build,
      .tensors = gpt2_tensor_map,
  };
}

}  // namespace vauban
