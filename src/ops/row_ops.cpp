/// The defaults of Ops' operations on rows: through host memory, in f64. They are the specification; where a backend has
/// nothing better, they are also what runs.
#include <algorithm>
#include <vector>

#include "ops/ops.h"

namespace vauban {
namespace {

Tensor from_f64(const Ops& ops, Shape shape, const std::vector<double>& values) {
  Tensor out = make_host_tensor(ops.activation_dtype(), shape);
  if (out.dtype() == DType::f64) {
    std::copy(values.begin(), values.end(), out.as<double>());
  } else {
    std::transform(values.begin(), values.end(), out.as<float>(), [](double x) { return static_cast<float>(x); });
  }
  return out;
}

template <class Function>
Tensor mapped(const Ops& ops, const Tensor& x, const Function& function) {
  std::vector<double> values = to_f64(x);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = function(values[i], i);
  return from_f64(ops, x.shape(), values);
}

}  // namespace

Tensor Ops::scale(const Tensor& x, double factor) {
  return mapped(*this, x, [factor](double value, std::size_t) { return value * factor; });
}

Tensor Ops::clamp(const Tensor& x, double limit) {
  return mapped(*this, x, [limit](double value, std::size_t) { return std::clamp(value, -limit, limit); });
}

Tensor Ops::multiply(const Tensor& x, const Weight& weight) {
  const std::vector<double> factors = to_f64(weight.tensor);
  return mapped(*this, x, [&factors](double value, std::size_t i) { return value * factors[i % factors.size()]; });
}

Tensor Ops::join_columns(std::span<const Tensor> parts, std::int64_t width) {
  const std::int64_t rows = parts.front().shape().rows();
  std::vector<double> joined(static_cast<std::size_t>(rows * width), 0.0);
  std::int64_t first = 0;
  for (const Tensor& part : parts) {
    const std::int64_t count = part.shape().width();
    const std::vector<double> values = to_f64(part);
    for (std::int64_t t = 0; t < rows; ++t)
      std::copy_n(values.begin() + t * count, count, joined.begin() + t * width + first);
    first += count;
  }
  return from_f64(*this, {rows, width}, joined);
}

Tensor Ops::join_rows(std::span<const Tensor> parts) {
  std::vector<double> joined;
  std::int64_t rows = 0;
  for (const Tensor& part : parts) {
    const std::vector<double> values = to_f64(part);
    joined.insert(joined.end(), values.begin(), values.end());
    rows += part.shape().rows();
  }
  return from_f64(*this, {rows, parts.front().shape().width()}, joined);
}

Tensor Ops::blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights, int each) {
  const std::int64_t width = x.shape().width(), count = std::ssize(rows) / each;
  const std::vector<double> values = to_f64(x);
  std::vector<double> blended(static_cast<std::size_t>(count * width), 0.0);
  for (std::size_t pick = 0; pick < rows.size(); ++pick)
    for (std::int64_t i = 0; i < width; ++i)
      blended[pick / static_cast<std::size_t>(each) * static_cast<std::size_t>(width) + static_cast<std::size_t>(i)] +=
          weights[pick] * values[static_cast<std::size_t>(rows[pick] * width + i)];
  return from_f64(*this, {count, width}, blended);
}

}  // namespace vauban
