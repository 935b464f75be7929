/// Operations on rows, element by element in f64.
#include <algorithm>
#include <vector>

#include "backends/reference/reference_ops.h"
#include "ops/checks.h"

namespace vauban {
namespace {

/// Calls `function(value, index)` for each element of x, into `out` of the same shape.
template <class Function>
Tensor mapped(const Tensor& x, Tensor out, const Function& function) {
  const std::vector<double> values = to_f64(x);
  for (std::size_t i = 0; i < values.size(); ++i) out.as<double>()[i] = function(values[i], i);
  return out;
}

}  // namespace

Tensor ReferenceOps::scale(const Tensor& x, double factor) {
  if (!accept(check_scale(x), {&x})) return make(x.shape());
  return mapped(x, make(x.shape()), [factor](double value, std::size_t) { return value * factor; });
}

Tensor ReferenceOps::clamp(const Tensor& x, double limit) {
  if (!accept(check_clamp(x, limit), {&x})) return make(x.shape());
  return mapped(x, make(x.shape()), [limit](double value, std::size_t) { return std::clamp(value, -limit, limit); });
}

Tensor ReferenceOps::multiply(const Tensor& x, const Weight& weight) {
  if (!accept(check_multiply(x, weight), {&x})) return make(x.shape());
  const std::vector<double> factors = to_f64(weight.tensor);
  return mapped(x, make(x.shape()),
                [&factors](double value, std::size_t i) { return value * factors[i % factors.size()]; });
}

Tensor ReferenceOps::join_columns(std::span<const Tensor> parts, std::int64_t width) {
  bool good = accept(check_join_columns(parts, width));
  for (const Tensor& part : parts) good = good && accept(ok(), {&part});
  if (!good) return make({0, 0});
  const std::int64_t rows = parts.front().shape().rows();
  Tensor out = make({rows, width});
  std::fill_n(out.as<double>(), rows * width, 0.0);
  std::int64_t first = 0;
  for (const Tensor& part : parts) {
    const std::int64_t count = part.shape().width();
    const std::vector<double> values = to_f64(part);
    for (std::int64_t t = 0; t < rows; ++t)
      std::copy_n(values.begin() + t * count, count, out.as<double>() + t * width + first);
    first += count;
  }
  return out;
}

Tensor ReferenceOps::join_rows(std::span<const Tensor> parts) {
  bool good = accept(check_join_rows(parts));
  for (const Tensor& part : parts) good = good && accept(ok(), {&part});
  if (!good) return make({0, 0});
  std::int64_t rows = 0;
  for (const Tensor& part : parts) rows += part.shape().rows();
  Tensor out = make({rows, parts.front().shape().width()});
  double* next = out.as<double>();
  for (const Tensor& part : parts) next = std::ranges::copy(to_f64(part), next).out;
  return out;
}

Tensor ReferenceOps::blend_rows(const Tensor& x, std::span<const std::int32_t> rows, std::span<const double> weights,
                                int each) {
  if (!accept(check_blend_rows(x, rows, weights, each), {&x})) return make({0, 0});
  const std::int64_t width = x.shape().width(), count = std::ssize(rows) / each;
  const std::vector<double> values = to_f64(x);
  Tensor out = make({count, width});
  std::fill_n(out.as<double>(), count * width, 0.0);
  for (std::size_t pick = 0; pick < rows.size(); ++pick) {
    const double* from = values.data() + rows[pick] * width;
    double* to = out.as<double>() + static_cast<std::int64_t>(pick) / each * width;
    for (std::int64_t i = 0; i < width; ++i) to[i] += weights[pick] * from[i];
  }
  return out;
}

}  // namespace vauban
