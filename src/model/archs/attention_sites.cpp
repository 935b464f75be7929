#include "model/archs/attention_sites.h"

namespace vauban {

Tensor split_heads(const Tensor& x, std::int64_t heads, std::int64_t head_dim) {
  return x.reshaped({x.shape().rows(), heads, head_dim});
}

Tensor join_heads(const Tensor& x) { return x.reshaped({x.shape()[0], x.shape()[1] * x.shape()[2]}); }

KvGeometry kv_geometry_of(const ModelConfig& config) {
  KvGeometry geometry;
  geometry.layers = static_cast<int>(config.layers);
  geometry.kv_heads = static_cast<int>(config.kv_heads);
  geometry.head_dim = static_cast<int>(config.head_dim);
  return geometry;
}

void show_attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer, const Tensor& q,
                    const AttentionArgs& args) {
  const bool scores = tap.wants(Site::attn_scores, layer) && ops.supports(Op::attention_scores, Direction::forward);
  const bool pattern = tap.wants(Site::attn_pattern, layer) && ops.supports(Op::attention_pattern, Direction::forward);
  for (std::size_t s = 0; s < batch.sequences.size() && (scores || pattern); ++s) {
    if (scores)
      tap.observe_sequence(Site::attn_scores, layer, s, ops.attention_scores(q, store, layer, batch, s, args));
    if (pattern)
      tap.observe_sequence(Site::attn_pattern, layer, s, ops.attention_pattern(q, store, layer, batch, s, args));
  }
}

}  // namespace vauban
