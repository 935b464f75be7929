/// Parameters, and the gradients of dense products and of the operations that move rows and columns.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "backends/cpu/training/training_backend.h"
#include "base/rng.h"
#include "ops/checks.h"

namespace vauban::cpu {

bool CpuGradients::accept(Result<void> check, std::initializer_list<const Tensor*> inputs, const Tensor& out) {
  return ops_.accept(std::move(check), inputs, out);
}

bool CpuGradients::accept_gradient(std::string_view op, const Tensor* gradient, const Shape& shape, Write write) {
  if (!gradient) return true;
  if (gradient->dtype() == DType::f32 && gradient->shape() == shape && !gradient->empty()) {
    if (write == Write::part && !accumulates(*gradient)) fill_zero(*gradient);
    return true;
  }
  return ops_.accept(internal("{}: expected a gradient in f32 of {}, found {} of {}", op, shape.to_string(),
                              to_string(gradient->dtype()), gradient->shape().to_string()));
}

void CpuGradients::fill_zero(const Tensor& gradient) {
  float* values = gradient.as<float>();
  ops_.parallel(gradient.shape().elements(), 1,
                [&](std::size_t begin, std::size_t end) { std::fill(values + begin, values + end, 0.0f); });
}

/// Gradients of products, nearly all of the memory, are then written once instead of zeroed, read and written.
void CpuGradients::clear(Tensor& gradient) {
  if (!gradient.empty()) cleared_[gradient.storage()] = gradient;
}

void CpuGradients::end_step() {
  for (const auto& [storage, gradient] : cleared_) fill_zero(gradient);
  cleared_.clear();
}

Result<Weight> CpuGradients::make_parameter(std::string name, const TensorView& initial) {
  VB_CHECK(check_weight(name, initial));
  Tensor tensor = ops_.memory_.make(DType::f32, initial.shape);
  if (tensor.empty()) return resource("no memory for parameter '{}' of {}", name, initial.shape.to_string());
  Weight weight{.name = std::move(name), .dtype = DType::f32, .shape = initial.shape, .tensor = tensor, .keep_alive = {}};
  if (ops_.rehearsing_) return weight;
  VB_TRY(const std::vector<float> values, decode_f32(initial), "in parameter '{}'", weight.name);
  const auto bad = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (bad != values.end())
    return corrupt("parameter '{}': element {} is {}", weight.name, bad - values.begin(), *bad);
  std::copy(values.begin(), values.end(), tensor.as<float>());
  return weight;
}

void CpuGradients::parameter_changed(const Weight& parameter) { ops_.weights_.erase(parameter.tensor.storage()); }

Tensor CpuGradients::zeros(const Shape& shape) {
  Tensor out = ops_.make(shape);
  if (!out.empty()) fill_zero(out);
  return out;
}

Tensor CpuGradients::scaled(const Tensor& x, double factor) {
  Tensor out = ops_.make(x.shape());
  if (!accept(ok(), {&x}, out)) return out;
  const auto by = static_cast<float>(factor);
  const float* in = x.as<float>();
  float* to = out.as<float>();
  ops_.parallel(x.shape().elements(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) to[i] = in[i] * by;
  });
  return out;
}

Tensor CpuGradients::masked(const Tensor& x, double rate, const DropoutKey& key) {
  Tensor out = ops_.make(x.shape());
  if (!accept(rate >= 0.0 && rate < 1.0 ? ok() : internal("dropout rate {} is not in [0, 1)", rate), {&x}, out))
    return out;
  const auto keep = static_cast<float>(1.0 / (1.0 - rate));
  const float* in = x.as<float>();
  float* to = out.as<float>();
  constexpr std::int64_t kDraw = 40;
  ops_.parallel(x.shape().elements(), kDraw, [&](std::size_t begin, std::size_t end) {
    Rng rng(key.seed, key.stream);
    rng.seek(begin);
    for (std::size_t i = begin; i < end; ++i) to[i] = rng.uniform() >= rate ? in[i] * keep : 0.0f;
  });
  return out;
}

void CpuGradients::embed_backward(const Tensor& dy, std::span<const std::int32_t> ids, Tensor& dtable) {
  const std::int64_t width = dtable.shape().width();
  Result<void> check = check_indices(ErrorCode::internal, "token id", ids, dtable.shape().rows());
  if (check && (dy.shape().rows() != std::ssize(ids) || dy.shape().width() != width))
    check = internal("embed: a gradient of {} for {} ids of width {}", dy.shape().to_string(), ids.size(), width);
  if (!ops_.accept(std::move(check)) || !accept_gradient("embed", &dtable, dtable.shape())) return;
  // Rows of one id are added in order of position; the columns are what the threads share.
  const auto n = static_cast<std::size_t>(width);
  const float* from = dy.as<float>();
  float* to = dtable.as<float>();
  ops_.parallel(width, std::ssize(ids), [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = 0; t < ids.size(); ++t) {
      float* row = to + static_cast<std::size_t>(ids[t]) * n;
      for (std::size_t i = begin; i < end; ++i) row[i] += from[t * n + i];
    }
  });
}

Tensor CpuGradients::linear_input_backward(const Tensor& dy, const Weight& weight) {
  const std::int64_t n_out = weight.shape.rows(), n_in = weight.shape.width(), rows = dy.shape().rows();
  Tensor dx = ops_.make({rows, n_in});
  if (!accept(dy.shape().width() == n_out ? ok() : internal("linear backward: {} for '{}' of {}", dy.shape().to_string(),
                                                            weight.name, weight.shape.to_string()),
              {&dy}, dx))
    return dx;
  const Rounded left = ops_.rounded(dy), right = ops_.rounded(weight);
  if (left.values.empty() || right.values.empty()) return dx;
  ops_.dense_product(rows, n_in, n_out, left, left.plain(), right.plain(), dx.as<float>(), n_in, false);
  return dx;
}

void CpuGradients::linear_weight_backward(const Tensor& dy, const Tensor& x, Tensor& dw) {
  const std::int64_t n_out = dy.shape().width(), n_in = x.shape().width(), rows = x.shape().rows();
  if (!accept_gradient("linear", &dw, {n_out, n_in}, Write::whole)) return;
  if (!ops_.accept(dy.shape().rows() == rows ? ok() : internal("linear backward: {} rows and {} rows",
                                                               dy.shape().rows(), rows)))
    return;
  const Rounded left = ops_.rounded(dy), right = ops_.rounded(x);
  if (left.values.empty() || right.values.empty()) return;
  ops_.dense_product(n_out, n_in, rows, left, left.transposed(), right.plain(), dw.as<float>(), n_in,
                accumulates(dw));
}

Tensor CpuGradients::columns_backward(const Tensor& dy, std::int64_t begin, std::int64_t width) {
  Tensor dx = zeros(with_width(dy.shape(), width));
  const std::int64_t count = dy.shape().width();
  if (!accept(check_columns(dx, begin, count), {&dy}, dx)) return dx;
  const float* from = dy.as<float>();
  float* to = dx.as<float>() + begin;
  ops_.parallel(dy.shape().rows(), count, [&](std::size_t first, std::size_t last) {
    for (auto t = static_cast<std::int64_t>(first); t < static_cast<std::int64_t>(last); ++t)
      std::copy_n(from + t * count, count, to + t * width);
  });
  return dx;
}

Tensor CpuGradients::select_rows_backward(const Tensor& dy, std::span<const std::int32_t> rows,
                                          std::int64_t total_rows) {
  Tensor dx = zeros(with_rows(dy.shape(), total_rows));
  Result<void> check = check_indices(ErrorCode::internal, "row", rows, total_rows);
  if (check && dy.shape()[0] != std::ssize(rows)) check = internal("select_rows: {} rows for {}", dy.shape()[0], rows.size());
  if (!accept(std::move(check), {&dy}, dx) || rows.empty()) return dx;
  const std::int64_t size = dy.shape().elements() / dy.shape()[0];
  for (std::size_t t = 0; t < rows.size(); ++t)
    ops_.train_.accumulate_scaled(dy.as<float>() + static_cast<std::int64_t>(t) * size, 1.0f,
                                  dx.as<float>() + rows[t] * size, static_cast<std::size_t>(size));
  return dx;
}

}  // namespace vauban::cpu
