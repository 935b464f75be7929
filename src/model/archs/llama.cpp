/// The Llama family: RMSNorm before attention and MLP, rotary positions, grouped-query attention, gated MLP.
///
/// Sources: Touvron et al. 2023 (arXiv 2302.13971); Ainslie et al. 2023 for grouped queries (arXiv 2305.13245).
/// The configuration is read in llama_config.cpp.
#include "model/archs/llama.h"

#include <cmath>
#include <utility>

#include "model/archs/attention_sites.h"
#include "model/archs/llama_config.h"
#include "model/archs/llama_tensors.h"

namespace vauban {
namespace {

// ---- forward: T tokens, D width, H query heads, K key/value heads, d head width, F MLP width, V vocabulary

struct LayerWeights {
  Weight attn_norm, mlp_norm;  // (D)
  Linear q, k, v, o;           // (H*d, D) (K*d, D) (K*d, D) (D, H*d)
  Linear gate, up, down;       // (F, D) (F, D) (D, F)
};

class LlamaNetwork final : public Network {
 public:
  explicit LlamaNetwork(const ModelConfig& config) : config_(config) {
    attention_.heads = static_cast<int>(config.heads);
    attention_.kv_heads = static_cast<int>(config.kv_heads);
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
  Embedding embedding_;  // (V, D)
  Weight final_norm_;    // (D)
  Head head_;            // (V, D)
  std::vector<LayerWeights> layers_;
  std::int64_t weight_bytes_ = 0;
};

Tensor LlamaNetwork::forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const {
  Tensor x = tap.at(Site::embed_out, 0, embedding_(ops, batch.ids));  // (T, D)
  for (int layer = 0; layer < static_cast<int>(config_.layers); ++layer)
    x = decoder_layer(ops, store, batch, tap, layer, std::move(x));
  x = tap.at(Site::final_norm_out, 0, ops.rms_norm(x, final_norm_, config_.norm_epsilon));
  if (batch.output_rows.empty()) return Tensor(ops.activation_dtype(), {0, config_.vocab_size}, StorageRef());
  return tap.at(Site::logits, 0, head_(ops, ops.select_rows(x, batch.output_rows)));
}

Tensor LlamaNetwork::decoder_layer(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer,
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

Tensor LlamaNetwork::attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer,
                               const Tensor& h) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  const std::int64_t d = config_.head_dim;
  Tensor q = tap.at(Site::q, layer, split_heads(w.q(ops, h), config_.heads, d));           // (T, H, d)
  Tensor k = tap.at(Site::k, layer, split_heads(w.k(ops, h), config_.kv_heads, d));        // (T, K, d)
  const Tensor v = tap.at(Site::v, layer, split_heads(w.v(ops, h), config_.kv_heads, d));  // (T, K, d)
  q = tap.at(Site::q_rot, layer, ops.rope(q, batch.positions, config_.rope));
  k = tap.at(Site::k_rot, layer, ops.rope(k, batch.positions, config_.rope));
  ops.kv_write(store, layer, k, v, batch);
  show_attention(ops, store, batch, tap, layer, q, attention_);
  const Tensor z = tap.at(Site::z, layer, ops.attention(q, store, layer, batch, attention_));  // (T, H, d)
  return tap.at(Site::attn_out, layer, w.o(ops, join_heads(z)));
}

Tensor LlamaNetwork::mlp(Ops& ops, const Tap& tap, int layer, const Tensor& h) const {
  const LayerWeights& w = layers_[static_cast<std::size_t>(layer)];
  const Tensor gate = tap.at(Site::gate, layer, w.gate(ops, h));  // (T, F)
  const Tensor up = tap.at(Site::up, layer, w.up(ops, h));
  const Tensor act = tap.at(Site::act, layer, ops.gated_activation(gate, up, config_.activation));
  return tap.at(Site::mlp_out, layer, w.down(ops, act));
}

// ---- weights

void LlamaNetwork::visit_weights(const WeightVisitor& visit) {
  embedding_.visit_weights(visit);
  for (LayerWeights& w : layers_) {
    visit(w.attn_norm);
    for (Linear* linear : {&w.q, &w.k, &w.v, &w.o}) linear->visit_weights(visit);
    visit(w.mlp_norm);
    for (Linear* linear : {&w.gate, &w.up, &w.down}) linear->visit_weights(visit);
  }
  visit(final_norm_);
  head_.visit_weights(visit);
}

Result<void> LlamaNetwork::load_layer(WeightLoader& weights, std::int64_t layer) {
  const ModelConfig& c = config_;
  LayerWeights& w = layers_.emplace_back();  // grows with what the file holds, not with what its header claims
  const LlamaLayerTensors t = llama_layer_tensors(c, layer);
  VB_TRY(w.attn_norm, weights.get(t.attn_norm));
  VB_TRY(w.q, weights.linear(t.q, c.attention_bias));
  VB_TRY(w.k, weights.linear(t.k, c.attention_bias));
  VB_TRY(w.v, weights.linear(t.v, c.attention_bias));
  VB_TRY(w.o, weights.linear(t.o, c.attention_bias));
  VB_TRY(w.mlp_norm, weights.get(t.mlp_norm));
  VB_TRY(w.gate, weights.linear(t.gate, c.mlp_bias));
  VB_TRY(w.up, weights.linear(t.up, c.mlp_bias));
  VB_TRY(w.down, weights.linear(t.down, c.mlp_bias));
  return ok();
}

Result<void> LlamaNetwork::load_ends(WeightLoader& weights) {
  const auto [table, final_norm, head] = llama_end_tensors(config_);
  VB_TRY(final_norm_, weights.get(final_norm));
  VB_TRY(WeightLoader::Ends ends, weights.ends(table, head, config_.tied_head));
  embedding_ = std::move(ends.embedding);
  head_ = std::move(ends.head);
  return ok();
}

Result<void> LlamaNetwork::load(WeightLoader& weights) {
  VB_CHECK(load_ends(weights));
  for (std::int64_t layer = 0; layer < config_.layers; ++layer) VB_CHECK(load_layer(weights, layer));
  if (weights.source().is_gguf()) weights.mark_used("rope_freqs.weight");  // read by llama_config_from_gguf
  weight_bytes_ = weights.loaded_bytes();
  return ok();
}

Result<std::unique_ptr<Network>> build(const ModelConfig& config, WeightLoader& weights) {
  auto network = std::make_unique<LlamaNetwork>(config);
  VB_CHECK(network->load(weights));
  return std::unique_ptr<Network>(std::move(network));
}

}  // namespace

Architecture llama_architecture() {
  return {
      .id = "llama",
      .summary =
          "RMSNorm, rotary positions, grouped-query attention, gated SiLU MLP; Llama 1 to 3 and what follows them",
      .hf_names = {"LlamaForCausalLM"},
      .gguf_names = {"llama"},
      .source = "arXiv 2302.13971; transformers LlamaForCausalLM",
      .sites = {Site::embed_out,
                Site::resid_pre,
                Site::attn_norm_out,
                Site::q,
                Site::k,
                Site::v,
                Site::q_rot,
                Site::k_rot,
                Site::attn_scores,
                Site::attn_pattern,
                Site::z,
                Site::attn_out,
                Site::resid_mid,
                Site::mlp_norm_out,
                Site::gate,
                Site::up,
                Site::act,
                Site::mlp_out,
                Site::resid_post,
                Site::final_norm_out,
                Site::logits},
      .ops = {Op::embed, Op::rms_norm, Op::linear, Op::rope, Op::attention, Op::gated_activation, Op::add,
              Op::select_rows, Op::lm_head},
      .config_from_hf = llama_config_from_hf,
      .config_from_gguf = llama_config_from_gguf,
      .build = build,
      .tensors = llama_tensor_map,
  };
}

}  // namespace vauban
