/// Attention's surroundings, shared by the architectures: heads, the store's geometry, and what attention hides, for a
/// tap that wants it.
#pragma once

#include "model/config.h"
#include "model/tap.h"
#include "ops/ops.h"

namespace vauban {

/// (T, heads * head_dim) -> (T, heads, head_dim), without a copy.
Tensor split_heads(const Tensor& x, std::int64_t heads, std::int64_t head_dim);
Tensor join_heads(const Tensor& x);  ///< the way back

/// The same width in every layer; pages are left 0.
KvGeometry kv_geometry_of(const ModelConfig& config);

/// Scores and patterns are recomputed beside attention, and only for a tap that wants them; attention keeps its bits.
void show_attention(Ops& ops, KvStore& store, const Batch& batch, const Tap& tap, int layer, const Tensor& q,
                    const AttentionArgs& args);

}  // namespace vauban
