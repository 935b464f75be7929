/// The forward pass of every architecture: embedding, layers on a residual stream, final norm, head. What differs between
/// models is data (spec.h); what stands inside a layer are blocks (block.h).
#include <algorithm>
#include <utility>

#include "model/decoder/attention.h"
#include "model/decoder/mlp.h"
#include "model/network.h"

namespace vauban {
namespace {

struct Layer {
  Norm attn_norm, attn_post_norm, mlp_norm, mlp_post_norm;
  std::unique_ptr<Block> mixer, feed;
};

bool has_pre_norms(Residuals residuals) { return residuals != Residuals::after; }
bool has_post_norms(Residuals residuals) { return residuals == Residuals::after || residuals == Residuals::around; }
bool is_parallel(Residuals residuals) {
  return residuals == Residuals::parallel || residuals == Residuals::parallel_two_norms;
}

class Decoder final : public Network {
 public:
  explicit Decoder(const ModelConfig& config) : config_(config), spec_(config.decoder) {}

  Result<void> load(const DecoderNames& names, WeightSource& weights);
  Tensor forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const override;
  KvGeometry kv_geometry() const override;
  void visit_weights(const WeightVisitor& visit) override;

 private:
  Tensor embed(Ops& ops, const Batch& batch) const;
  Tensor layer(const Step& step, Tensor x) const;
  Tensor parallel_layer(const Step& step, const Layer& w, const Tensor& x) const;
  Tensor added(Ops& ops, const Tensor& x, const Tensor& y) const { return ops.add(x, y, spec_.residual_scale); }

  Result<void> load_ends(const DecoderNames& names, WeightSource& weights);
  Result<void> load_layer(const BlockLoader& loader);

  ModelConfig config_;
  const DecoderSpec& spec_;
  Embedding embedding_, positions_;  // (V, D) (N, D)
  Norm embedding_norm_, final_norm_;
  Head head_;  // (V, D)
  std::vector<Layer> layers_;
};

// ---- forward: T tokens, D width, V vocabulary

Tensor Decoder::embed(Ops& ops, const Batch& batch) const {
  Tensor x = embedding_(ops, batch.ids);  // (T, D)
  if (spec_.embedding_scale != 1.0) x = ops.scale(x, spec_.embedding_scale);
  if (spec_.learned_positions > 0) {
    std::vector<std::int32_t> rows(spec_.position_offset > 0 ? batch.positions : std::vector<std::int32_t>());
    for (std::int32_t& row : rows) row += static_cast<std::int32_t>(spec_.position_offset);
    x = ops.add(x, positions_(ops, rows.empty() ? batch.positions : rows));
  }
  return spec_.embedding_norm ? embedding_norm_(ops, x) : x;
}

Tensor Decoder::forward(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap) const {
  Tensor x = tap.at(Site::embed_out, 0, embed(ops, batch));
  for (int i = 0; i < static_cast<int>(layers_.size()); ++i) x = layer({ops, store, batch, tap, i}, std::move(x));
  x = tap.at(Site::final_norm_out, 0, final_norm_(ops, x));
  if (batch.output_rows.empty()) return Tensor(ops.activation_dtype(), {0, config_.vocab_size}, StorageRef());
  x = ops.select_rows(x, batch.output_rows);
  if (spec_.logit_scale != 1.0) x = ops.scale(x, spec_.logit_scale);
  return tap.at(Site::logits, 0, head_(ops, x));
}

Tensor Decoder::layer(const Step& step, Tensor x) const {
  const Layer& w = layers_[static_cast<std::size_t>(step.layer)];
  const auto& [ops, store, batch, tap, index] = step;
  x = tap.at(Site::resid_pre, index, std::move(x));
  if (is_parallel(spec_.residuals)) return tap.at(Site::resid_post, index, parallel_layer(step, w, x));

  const bool pre = has_pre_norms(spec_.residuals), post = has_post_norms(spec_.residuals);
  Tensor y = (*w.mixer)(step, pre ? tap.at(Site::attn_norm_out, index, w.attn_norm(ops, x)) : x);
  y = tap.at(Site::attn_out, index, post ? w.attn_post_norm(ops, y) : y);
  x = added(ops, x, y);
  if (!w.feed) return tap.at(Site::resid_post, index, std::move(x));
  x = tap.at(Site::resid_mid, index, std::move(x));
  y = (*w.feed)(step, pre ? tap.at(Site::mlp_norm_out, index, w.mlp_norm(ops, x)) : x);
  y = tap.at(Site::mlp_out, index, post ? w.mlp_post_norm(ops, y) : y);
  return tap.at(Site::resid_post, index, added(ops, x, y));
}

Tensor Decoder::parallel_layer(const Step& step, const Layer& w, const Tensor& x) const {
  const auto& [ops, store, batch, tap, index] = step;
  const Tensor h = tap.at(Site::attn_norm_out, index, w.attn_norm(ops, x));
  const Tensor attention = tap.at(Site::attn_out, index, (*w.mixer)(step, h));
  const bool two = spec_.residuals == Residuals::parallel_two_norms;
  const Tensor other = two ? tap.at(Site::mlp_norm_out, index, w.mlp_norm(ops, x)) : h;
  const Tensor fed = tap.at(Site::mlp_out, index, (*w.feed)(step, other));
  return added(ops, added(ops, x, attention), fed);
}

/// Every layer that attends has heads of one shape; the others leave their share of the store unused.
KvGeometry Decoder::kv_geometry() const {
  KvGeometry geometry;
  geometry.layers = static_cast<int>(config_.layers);
  geometry.kv_heads = static_cast<int>(config_.kv_heads);
  geometry.head_dim = static_cast<int>(config_.head_dim);
  std::vector<Op> ops;
  for (const LayerSpec& layer : spec_.layers) layer.mixer->add_ops(ops);
  if (std::find(ops.begin(), ops.end(), Op::attention) == ops.end()) geometry.kv_heads = 0;
  for (const LayerSpec& layer : spec_.layers) {
    const StateSizes sizes = layer.mixer->state_sizes();
    geometry.state.conv = std::max(geometry.state.conv, sizes.conv);
    geometry.state.scan = std::max(geometry.state.scan, sizes.scan);
  }
  return geometry;
}

// ---- weights

Result<void> Decoder::load_ends(const DecoderNames& names, WeightSource& weights) {
  const auto table = [&](const ModuleName& name, std::int64_t rows, TensorRole role) {
    TensorSpec spec = weight_of(names.module(name, -1, {rows, config_.width}));
    spec.role = role;
    return spec;
  };
  TensorSpec embedding = table(names.embedding, config_.vocab_size, TensorRole::embedding);
  const TensorSpec head = table(names.head, config_.vocab_size, TensorRole::head);
  if (config_.tied_head && embedding.hf_alias.empty()) embedding.hf_alias = head.hf;
  VB_TRY(WeightSource::Ends ends, weights.ends(embedding, head, config_.tied_head));
  embedding_ = std::move(ends.embedding);
  head_ = std::move(ends.head);
  head_.softcap = spec_.logit_softcap;
  if (head_.softcap > 0.0 && !head_.lora.empty())
    return with_hint(unsupported("an adapter on '{}', whose logits are capped, is not supported", head.hf),
                     "merge it first: `vauban merge-adapter BASE ADAPTER OUT`");
  if (spec_.learned_positions > 0) {
    VB_TRY(positions_, weights.embedding(table(names.positions, spec_.learned_positions + spec_.position_offset,
                                               TensorRole::embedding)));
  }
  if (spec_.embedding_norm) {
    VB_TRY(embedding_norm_, Norm::load(spec_.norm, names.module(names.embedding_norm, -1, {config_.width}), weights));
  }
  return ok();
}

Result<void> Decoder::load_layer(const BlockLoader& loader) {
  const auto& [weights, names, decoder, width, index] = loader;
  const LayerSpec& spec = decoder.layers[static_cast<std::size_t>(index)];
  Layer& w = layers_.emplace_back();  // grows with what the file holds, not with what its header claims
  const Residuals residuals = decoder.residuals;
  const auto norm = [&](const ModuleName& name) { return Norm::load(decoder.norm, loader.module(name, {width}), weights); };
  if (has_pre_norms(residuals)) {
    VB_TRY(w.attn_norm, norm(names.attn_norm));
  }
  VB_TRY(w.mixer, spec.mixer->load(loader));
  if (has_post_norms(residuals)) {
    VB_TRY(w.attn_post_norm, norm(names.attn_post_norm));
  }
  if (!spec.feed) return ok();
  if (has_pre_norms(residuals) && residuals != Residuals::parallel) {
    VB_TRY(w.mlp_norm, norm(names.mlp_norm));
  }
  VB_TRY(w.feed, spec.feed->load(loader));
  if (has_post_norms(residuals)) {
    VB_TRY(w.mlp_post_norm, norm(names.mlp_post_norm));
  }
  return ok();
}

Result<void> Decoder::load(const DecoderNames& names, WeightSource& weights) {
  VB_CHECK(load_ends(names, weights));
  for (std::int64_t i = 0; i < config_.layers; ++i)
    VB_CHECK(load_layer({.weights = weights, .names = names, .decoder = spec_, .width = config_.width, .layer = i}));
  VB_TRY(final_norm_, Norm::load(spec_.norm, names.module(names.final_norm, -1, {config_.width}), weights));
  if (spec_.head_bias) {
    VB_TRY(head_.bias, weights.get(bias_of(names.module(names.head, -1, {config_.vocab_size}))));
  }
  return ok();
}

void Decoder::visit_weights(const WeightVisitor& visit) {
  embedding_.visit_weights(visit);
  if (spec_.learned_positions > 0) positions_.visit_weights(visit);
  if (spec_.embedding_norm) embedding_norm_.visit_weights(visit);
  for (Layer& w : layers_) {
    if (has_pre_norms(spec_.residuals)) w.attn_norm.visit_weights(visit);
    w.mixer->visit_weights(visit);
    if (has_post_norms(spec_.residuals)) w.attn_post_norm.visit_weights(visit);
    if (!w.feed) continue;
    if (has_pre_norms(spec_.residuals) && spec_.residuals != Residuals::parallel) w.mlp_norm.visit_weights(visit);
    w.feed->visit_weights(visit);
    if (has_post_norms(spec_.residuals)) w.mlp_post_norm.visit_weights(visit);
  }
  final_norm_.visit_weights(visit);
  head_.visit_weights(visit);
}

void add_new_sites(const std::vector<Site>& more, std::vector<Site>& sites) {
  for (const Site site : more)
    if (std::find(sites.begin(), sites.end(), site) == sites.end()) sites.push_back(site);
}

}  // namespace

Result<std::unique_ptr<Network>> load_decoder(const ModelConfig& config, const DecoderNames& names, WeightSource& weights) {
  auto network = std::make_unique<Decoder>(config);
  VB_CHECK(network->load(names, weights));
  return std::unique_ptr<Network>(std::move(network));
}

std::vector<Site> sites_of(const DecoderSpec& decoder) {
  std::vector<Site> sites{Site::embed_out, Site::resid_pre};
  const bool pre = has_pre_norms(decoder.residuals), parallel = is_parallel(decoder.residuals);
  if (pre) sites.push_back(Site::attn_norm_out);
  std::vector<Site> mixers, feeds;
  for (const LayerSpec& layer : decoder.layers) {
    layer.mixer->add_sites(mixers);
    if (layer.feed) layer.feed->add_sites(feeds);
  }
  add_new_sites(mixers, sites);
  sites.push_back(Site::attn_out);
  if (!feeds.empty()) {
    if (!parallel) sites.push_back(Site::resid_mid);
    if (pre && decoder.residuals != Residuals::parallel) sites.push_back(Site::mlp_norm_out);
    add_new_sites(feeds, sites);
    sites.push_back(Site::mlp_out);
  }
  sites.insert(sites.end(), {Site::resid_post, Site::final_norm_out, Site::logits});
  return sites;
}

std::vector<Op> ops_of(const DecoderSpec& decoder) {
  std::vector<Op> ops{Op::embed, op_of(decoder.norm.kind), Op::add, Op::select_rows,
                      decoder.head_bias ? Op::linear : Op::lm_head};
  if (decoder.embedding_scale != 1.0 || decoder.logit_scale != 1.0) ops.push_back(Op::scale);
  for (const RopeSpec& rope : decoder.ropes)
    if (rope.by_length()) ops.insert(ops.end(), {Op::select_rows, Op::join_rows});
  for (const LayerSpec& layer : decoder.layers) {
    layer.mixer->add_ops(ops);
    if (layer.feed) layer.feed->add_ops(ops);
  }
  std::sort(ops.begin(), ops.end());
  ops.erase(std::unique(ops.begin(), ops.end()), ops.end());
  return ops;
}

}  // namespace vauban
