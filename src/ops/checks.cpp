#include "ops/checks.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace vauban {
namespace {

Result<void> check_width(std::string_view op, const Tensor& x, std::int64_t width) {
  if (!x.empty() && x.shape().width() == width) return ok();
  return internal("{}: expected an input of width {}, found {}", op, width, x.shape().to_string());
}

Result<void> check_heads(std::string_view what, const Tensor& x, std::int64_t heads, std::int64_t head_dim) {
  const Shape& shape = x.shape();
  if (!x.empty() && shape.rank() == 3 && shape[1] == heads && shape[2] == head_dim) return ok();
  return internal("attention: expected {} of [rows, {}, {}], found {}", what, heads, head_dim, shape.to_string());
}

Result<void> check_pages(const SequenceRows& sequence, const KvGeometry& geometry) {
  const std::int64_t held = static_cast<std::int64_t>(sequence.pages.size()) * geometry.page_tokens;
  const std::int64_t needed = std::int64_t{sequence.past} + sequence.rows;
  if (held < needed) return internal("attention: a sequence of {} positions has pages for {}", needed, held);
  return check_indices(ErrorCode::internal, "page", sequence.pages, geometry.pages);
}

bool is_vector(const Weight& weight, std::int64_t count) { return !weight.empty() && weight.shape == Shape{count}; }

}  // namespace

Result<void> check_weight(std::string_view name, const TensorView& view) {
  if (view.shape.rank() == 0) return unsupported("weight '{}' is a scalar; expected at least one dimension", name);
  VB_TRY(const std::uint64_t expected, size_bytes(view.dtype, view.shape), "in weight '{}'", name);
  if (expected == view.bytes.size()) return ok();
  return corrupt("weight '{}': {} {} takes {} bytes, found {}", name, to_string(view.dtype), view.shape.to_string(),
                 expected, view.bytes.size());
}

Result<void> check_indices(ErrorCode code, std::string_view what, std::span<const std::int32_t> indices,
                           std::int64_t count) {
  for (std::size_t i = 0; i < indices.size(); ++i)
    if (indices[i] < 0 || indices[i] >= count)
      return make_error(code, "{} {} (number {} of {}) is outside [0, {})", what, indices[i], i, indices.size(), count);
  return ok();
}

Result<void> check_linear(const Tensor& x, const Weight& weight, const Weight* bias) {
  if (weight.empty() || weight.shape.rank() != 2)
    return internal("linear: expected weight '{}' of rank 2, found {}", weight.name, weight.shape.to_string());
  VB_CHECK(check_width("linear", x, weight.shape[1]), "with weight '{}' {}", weight.name, weight.shape.to_string());
  if (!bias || bias->shape == Shape{weight.shape[0]}) return ok();
  return internal("linear: expected bias '{}' of [{}], found {}", bias->name, weight.shape[0], bias->shape.to_string());
}

Result<void> check_norm(const Tensor& x, const Weight& weight) {
  if (weight.empty() || weight.shape.rank() != 1 || weight.shape[0] < 1)
    return internal("rms_norm: expected weight '{}' of rank 1, found {}", weight.name, weight.shape.to_string());
  return check_width("rms_norm", x, weight.shape[0]);
}

Result<void> check_columns(const Tensor& x, std::int64_t begin, std::int64_t count) {
  if (x.shape().rank() < 1 || begin < 0 || count < 0 || count > x.shape().width() - begin)
    return internal("columns: {} from {} of a tensor {}", count, begin, x.shape().to_string());
  return ok();
}

Result<void> check_rope(const Tensor& x, std::span<const std::int32_t> positions, const RopeTable& table) {
  const auto pairs = static_cast<std::int64_t>(table.inverse_frequency.size());
  if (x.empty() || x.shape().rank() != 3 || 2 * pairs > x.shape()[2])
    return internal("rope: expected [rows, heads, at least {}], found {}", 2 * pairs, x.shape().to_string());
  if (x.shape()[0] == static_cast<std::int64_t>(positions.size())) return ok();
  return internal("rope: {} positions for {} rows", positions.size(), x.shape()[0]);
}

Result<void> check_activation(Activation activation) {
  if (activation != Activation::clamped_swiglu) return ok();
  return internal("activation: clamped_swiglu is a gated activation and has no plain form");
}

Result<void> check_scale(const Tensor& x) { return x.empty() ? internal("scale: an empty tensor") : ok(); }

Result<void> check_clamp(const Tensor& x, double limit) {
  if (x.empty() || !(limit >= 0.0)) return internal("clamp: to {} of a tensor {}", limit, x.shape().to_string());
  return ok();
}

Result<void> check_multiply(const Tensor& x, const Weight& weight) {
  if (weight.empty() || weight.shape.rank() != 1 || weight.shape[0] < 1)
    return internal("multiply: expected weight '{}' of rank 1, found {}", weight.name, weight.shape.to_string());
  return check_width("multiply", x, weight.shape[0]);
}

Result<void> check_join_columns(std::span<const Tensor> parts, std::int64_t width) {
  if (parts.empty()) return internal("join_columns: nothing to join");
  std::int64_t left = width;
  for (const Tensor& part : parts) {
    if (part.empty() || part.shape().rows() != parts.front().shape().rows() || part.shape().width() > left)
      return internal("join_columns: a part of {} beside one of {}, with {} of {} columns left", part.shape().to_string(),
                      parts.front().shape().to_string(), left, width);
    left -= part.shape().width();
  }
  const std::array<std::int64_t, 2> joined{parts.front().shape().rows(), width};
  if (!Shape::from(joined)) return internal("join_columns: {} rows of {} columns", joined[0], joined[1]);
  return ok();
}

Result<void> check_join_rows(std::span<const Tensor> parts) {
  if (parts.empty()) return internal("join_rows: nothing to join");
  for (const Tensor& part : parts)
    if (part.empty() || part.shape().width() != parts.front().shape().width())
      return internal("join_rows: a part of {} below one of {}", part.shape().to_string(),
                      parts.front().shape().to_string());
  return ok();
}

Result<void> check_blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights,
                              int each) {
  if (x.empty() || each < 1 || std::ssize(rows) % each != 0 || rows.size() != weights.size())
    return internal("blend_rows: {} rows with {} weights, {} each, of {}", rows.size(), weights.size(), each,
                    x.shape().to_string());
  return check_indices(ErrorCode::internal, "row", rows, x.shape().rows());
}

Result<void> check_same_shape(std::string_view op, const Tensor& a, const Tensor& b) {
  if (!a.empty() && !b.empty() && a.shape() == b.shape()) return ok();
  return internal("{}: the operands differ in shape: {} and {}", op, a.shape().to_string(), b.shape().to_string());
}

Result<void> check_kv_geometry(const KvGeometry& geometry) {
  const bool recurrent_only = geometry.kv_heads == 0 && geometry.state.any();
  const bool positive = geometry.layers > 0 && (geometry.kv_heads > 0 || recurrent_only) && geometry.head_dim > 0 &&
                        geometry.page_tokens > 0 && geometry.pages >= 0 && geometry.state.conv >= 0 && geometry.state.scan >= 0;
  if (!positive)
    return invalid_input(
        "key/value store: expected positive sizes, found {} layers, {} heads, width {}, {} pages of {}",
        geometry.layers, geometry.kv_heads, geometry.head_dim, geometry.pages, geometry.page_tokens);
  VB_CHECK(Shape::from(std::vector<std::int64_t>{2, geometry.layers, geometry.pages, geometry.kv_heads,
                                                 geometry.page_tokens, geometry.head_dim, 8}),
           "the key/value store would not fit any memory");
  return ok();
}

Result<void> check_batch(const Batch& batch, std::int64_t rows, const KvGeometry& geometry, int layer) {
  if (layer < 0 || layer >= geometry.layers)
    return internal("attention: layer {} of a key/value store with {} layers", layer, geometry.layers);
  for (const SequenceRows& sequence : batch.sequences) {
    const std::int64_t end = std::int64_t{sequence.first_row} + sequence.rows;
    if (sequence.first_row < 0 || sequence.rows < 0 || sequence.past < 0 || end > rows)
      return internal("attention: a sequence has rows [{}, {}) after {} positions in a step of {} rows",
                      sequence.first_row, end, sequence.past, rows);
    VB_CHECK(check_pages(sequence, geometry));
  }
  return ok();
}

Result<void> check_kv_write(const Tensor& k, const Tensor& v, const Batch& batch, const KvGeometry& geometry,
                            int layer) {
  VB_CHECK(check_heads("keys", k, geometry.kv_heads, geometry.head_dim));
  VB_CHECK(check_heads("values", v, geometry.kv_heads, geometry.head_dim));
  VB_CHECK(check_same_shape("kv_write", k, v));
  return check_batch(batch, k.shape()[0], geometry, layer);
}

Result<void> check_short_conv(const Tensor& x, const Weight& weight, const Batch& batch, const ShortConvArgs& args,
                              const KvGeometry& geometry, int layer) {
  const auto fits = [&x](const Tensor* gate) { return !gate || (!gate->empty() && gate->shape() == x.shape()); };
  if (x.empty() || x.shape().rank() != 2 || !fits(args.in) || !fits(args.out))
    return internal("short_conv: expected inputs and gates of one shape (rows, channels)");
  const std::int64_t channels = x.shape().width();
  if (args.kernel < 2 || !is_vector(weight, channels * args.kernel) || (args.bias && !is_vector(*args.bias, channels)))
    return internal("short_conv: weight '{}' {} does not fit a kernel of {} over {} channels", weight.name,
                    weight.shape.to_string(), args.kernel, channels);
  if (geometry.state.conv < channels * (args.kernel - 1))
    return internal("short_conv: {} numbers of state for {} channels and a kernel of {}", geometry.state.conv, channels, args.kernel);
  return check_batch(batch, x.shape().rows(), geometry, layer);
}

Result<void> check_selective_scan(const Tensor& x, const Batch& batch, const SelectiveScanArgs& args,
                                  const KvGeometry& geometry, int layer) {
  if (x.empty() || x.shape().rank() != 2 || args.b.empty() || args.b.shape().rank() != 2)
    return internal("selective_scan: expected matrices of inputs and projections");
  VB_CHECK(check_same_shape("selective_scan", x, args.dt));
  VB_CHECK(check_same_shape("selective_scan", args.b, args.c));
  const std::int64_t channels = x.shape().width(), states = args.b.shape().width();
  if (args.b.shape().rows() != x.shape().rows() || !args.log_a || !args.skip || !is_vector(*args.log_a, channels * states) ||
      !is_vector(*args.skip, channels))
    return internal("selective_scan: rates, skips and projections do not fit {} channels of {} states", channels, states);
  if (geometry.state.scan < channels * states)
    return internal("selective_scan: {} numbers of state for {} channels of {} states", geometry.state.scan, channels, states);
  return check_batch(batch, x.shape().rows(), geometry, layer);
}

Result<void> check_gated_delta(const Tensor& qkv, const Batch& batch, const GatedDeltaArgs& args, const KvGeometry& geometry,
                               int layer) {
  const std::int64_t keys = args.key_heads, values = args.value_heads;
  if (keys < 1 || values < 1 || args.key_dim < 1 || args.value_dim < 1 || values % keys != 0)
    return internal("gated_delta: {} value heads of {} do not divide into {} key heads of {}", values, args.value_dim, keys, args.key_dim);
  if (qkv.empty() || qkv.shape().rank() != 2 || qkv.shape().width() != 2 * keys * args.key_dim + values * args.value_dim)
    return internal("gated_delta: queries, keys and values {} do not fit the heads", qkv.empty() ? "(none)" : qkv.shape().to_string());
  VB_CHECK(check_same_shape("gated_delta", args.a, args.b));
  if (args.a.shape() != Shape{qkv.shape().rows(), values} || !args.log_a || !args.dt_bias || !is_vector(*args.log_a, values) ||
      !is_vector(*args.dt_bias, values))
    return internal("gated_delta: gates {} do not fit {} value heads", args.a.shape().to_string(), values);
  if (geometry.state.scan < values * args.key_dim * args.value_dim)
    return internal("gated_delta: {} numbers of state for {} heads of {} x {}", geometry.state.scan, values, args.key_dim, args.value_dim);
  return check_batch(batch, qkv.shape().rows(), geometry, layer);
}

Result<void> check_score_terms(const AttentionArgs& args) {
  if (!args.alibi_slopes.empty() && std::ssize(args.alibi_slopes) != args.heads)
    return internal("attention: {} ALiBi slopes for {} query heads", args.alibi_slopes.size(), args.heads);
  if (args.sinks && (args.sinks->empty() || args.sinks->shape != Shape{args.heads}))
    return internal("attention: expected sinks '{}' of [{}], found {}", args.sinks->name, args.heads,
                    args.sinks->shape.to_string());
  return ok();
}

Result<void> check_attention(const Tensor& q, const Batch& batch, const AttentionArgs& args, const KvGeometry& geometry,
                             int layer) {
  VB_CHECK(check_heads("queries", q, args.heads, args.head_dim));
  if (args.kv_heads != geometry.kv_heads || args.head_dim != geometry.head_dim)
    return internal("attention: expected {} key heads of width {} (the store), found {} of {}", geometry.kv_heads,
                    geometry.head_dim, args.kv_heads, args.head_dim);
  if (args.heads < 1 || args.heads % args.kv_heads != 0)
    return internal("attention: {} query heads do not divide into {} key heads", args.heads, args.kv_heads);
  VB_CHECK(check_score_terms(args));
  return check_batch(batch, q.shape()[0], geometry, layer);
}

Result<void> check_training_attention(const Tensor& q, const Batch& batch, const AttentionArgs& args) {
  if (q.shape().rank() != 3) return internal("attention: expected q of rank 3, found {}", q.shape().to_string());
  if (args.heads < 1 || args.kv_heads < 1 || args.heads % args.kv_heads != 0)
    return internal("attention: {} query heads do not divide into {} key heads", args.heads, args.kv_heads);
  VB_CHECK(check_score_terms(args));
  std::int64_t next = 0;
  for (const SequenceRows& document : batch.sequences) {
    if (document.past != 0 || document.rows < 0 || document.first_row != next)
      return internal(
          "attention: a training step is documents one behind the other, without a past; found {} rows at {} "
          "after {} positions, where row {} comes next",
          document.rows, document.first_row, document.past, next);
    next += document.rows;
  }
  if (next != q.shape()[0]) return internal("attention: documents of {} rows in a step of {}", next, q.shape()[0]);
  return ok();
}

Shape with_rows(const Shape& shape, std::int64_t rows) {
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  std::copy(shape.dims().begin(), shape.dims().end(), dims.begin());
  dims[0] = rows;
  return Shape::from({dims.data(), static_cast<std::size_t>(std::max(1, shape.rank()))}).value_or(Shape{});
}

Shape with_width(const Shape& shape, std::int64_t width) {
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  std::copy(shape.dims().begin(), shape.dims().end(), dims.begin());
  const auto rank = static_cast<std::size_t>(std::max(1, shape.rank()));
  dims[rank - 1] = width;
  return Shape::from({dims.data(), rank}).value_or(Shape{});
}

}  // namespace vauban
