/// Checks of an operation's operands, shared by the backends.
///
/// Shapes were validated when the model was loaded, so a failure here is a fault of vauban (internal), except for ids
/// that a user chose (invalid_input). A backend turns a failure into its sticky status before it touches memory.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "ops/ops.h"

namespace vauban {

/// The bytes of a weight are as long as its type and shape say, and its rank is at least 1.
Result<void> check_weight(std::string_view name, const TensorView& view);
/// Every index lies in [0, count). `code` is what a bad one means; `what` names it: "token id".
Result<void> check_indices(ErrorCode code, std::string_view what, std::span<const std::int32_t> indices,
                           std::int64_t count);
Result<void> check_linear(const Tensor& x, const Weight& weight, const Weight* bias);
Result<void> check_norm(const Tensor& x, const Weight& weight);
/// Columns [begin, begin + count) lie inside the last axis.
Result<void> check_columns(const Tensor& x, std::int64_t begin, std::int64_t count);
Result<void> check_rope(const Tensor& x, std::span<const std::int32_t> positions, const RopeTable& table);
/// Activation::clamped_swiglu has no plain form.
Result<void> check_activation(Activation activation);
Result<void> check_scale(const Tensor& x);
/// The limit is a number of at least 0.
Result<void> check_clamp(const Tensor& x, double limit);
Result<void> check_multiply(const Tensor& x, const Weight& weight);
/// Parts of the same rows, at most `width` wide together; at least one.
Result<void> check_join_columns(std::span<const Tensor> parts, std::int64_t width);
/// Parts of the same width; at least one.
Result<void> check_join_rows(std::span<const Tensor> parts);
Result<void> check_blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights,
                              int each);
Result<void> check_same_shape(std::string_view op, const Tensor& a, const Tensor& b);
Result<void> check_kv_geometry(const KvGeometry& geometry);
/// Rows of the sequences lie in [0, rows), and their pages hold past + rows positions.
Result<void> check_batch(const Batch& batch, std::int64_t rows, const KvGeometry& geometry, int layer);
Result<void> check_kv_write(const Tensor& k, const Tensor& v, const Batch& batch, const KvGeometry& geometry,
                            int layer);
Result<void> check_attention(const Tensor& q, const Batch& batch, const AttentionArgs& args, const KvGeometry& geometry,
                             int layer);

/// Operands of the recurrences; their state fits the store's.
Result<void> check_short_conv(const Tensor& x, const Weight& weight, const Batch& batch, const ShortConvArgs& args,
                              const KvGeometry& geometry, int layer);
Result<void> check_selective_scan(const Tensor& x, const Batch& batch, const SelectiveScanArgs& args,
                                  const KvGeometry& geometry, int layer);
Result<void> check_gated_delta(const Tensor& qkv, const Batch& batch, const GatedDeltaArgs& args, const KvGeometry& geometry,
                               int layer);

/// Slopes and sinks are absent, or as many as there are query heads. check_attention and check_training_attention ask too.
Result<void> check_score_terms(const AttentionArgs& args);

/// Queries (T, heads, head_dim) of a training step: documents one behind the other that cover it, none with a past.
Result<void> check_training_attention(const Tensor& q, const Batch& batch, const AttentionArgs& args);

/// First position that the query at `position` may see.
inline std::int64_t first_visible(std::int64_t position, std::int64_t window) {
  return window > 0 && position >= window ? position - window + 1 : 0;
}

/// `shape` with another leading dimension, and with another last one.
Shape with_rows(const Shape& shape, std::int64_t rows);
Shape with_width(const Shape& shape, std::int64_t width);

}  // namespace vauban
