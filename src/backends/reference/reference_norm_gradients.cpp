/// Gradients of the norms, and of the activation primitive.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "backends/reference/reference_gradients.h"
#include "backends/reference/reference_ops.h"
#include "ops/checks.h"
#include "ops/primitive_rows.h"

namespace vauban {
namespace {

double dot(const double* a, const double* b, std::int64_t width) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < width; ++i) sum += a[i] * b[i];
  return sum;
}

void add_to(Tensor* parameter, const std::vector<double>& sum) {
  if (parameter == nullptr) return;
  for (std::size_t i = 0; i < sum.size(); ++i) parameter->as<double>()[i] += sum[i];
}

}  // namespace

Tensor ReferenceGradients::rms_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                                             Tensor* dw) {
  Tensor dx = make(x.shape());
  if (!accept(check_norm(x, weight)) || !fits("rms_norm_backward: x", x, x.shape())) return dx;
  if (!fits("rms_norm_backward: dy", dy, x.shape()) || !fits("rms_norm_backward: dw", dw, weight.shape)) return dx;
  const std::int64_t width = x.shape().width();
  const double* w = weight.tensor.as<double>();
  std::vector<double> g(static_cast<std::size_t>(width)), sum(static_cast<std::size_t>(width));
  for (std::int64_t t = 0; t < x.shape().rows(); ++t) {
    const double *in = x.as<double>() + t * width, *d = dy.as<double>() + t * width;
    const double s = 1.0 / std::sqrt(dot(in, in, width) / static_cast<double>(width) + epsilon);
    for (std::int64_t i = 0; i < width; ++i) {
      g[static_cast<std::size_t>(i)] = d[i] * w[i];
      sum[static_cast<std::size_t>(i)] += d[i] * in[i] * s;
    }
    const double along = dot(g.data(), in, width) * s * s * s / static_cast<double>(width);
    double* to = dx.as<double>() + t * width;
    for (std::int64_t i = 0; i < width; ++i) to[i] = s * g[static_cast<std::size_t>(i)] - along * in[i];
  }
  add_to(dw, sum);
  return dx;
}

Tensor ReferenceGradients::layer_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                                               Tensor* dw, Tensor* db) {
  Tensor dx = make(x.shape());
  if (!accept(check_norm(x, weight)) || !fits("layer_norm_backward: x", x, x.shape())) return dx;
  if (!fits("layer_norm_backward: dy", dy, x.shape()) || !fits("layer_norm_backward: dw", dw, weight.shape)) return dx;
  if (!fits("layer_norm_backward: db", db, weight.shape)) return dx;
  const std::int64_t width = x.shape().width();
  const auto n = static_cast<double>(width);
  const auto size = static_cast<std::size_t>(width);
  const double* w = weight.tensor.as<double>();
  std::vector<double> normal(size), g(size), dw_sum(size), db_sum(size);
  for (std::int64_t t = 0; t < x.shape().rows(); ++t) {
    const double *in = x.as<double>() + t * width, *d = dy.as<double>() + t * width;
    double mean = 0.0, variance = 0.0, g_mean = 0.0;
    for (std::int64_t i = 0; i < width; ++i) mean += in[i] / n;
    for (std::int64_t i = 0; i < width; ++i) variance += (in[i] - mean) * (in[i] - mean) / n;
    const double s = 1.0 / std::sqrt(variance + epsilon);
    for (std::size_t i = 0; i < size; ++i) {
      normal[i] = (in[i] - mean) * s;
      g[i] = d[i] * w[i];
      g_mean += g[i] / n;
      dw_sum[i] += d[i] * normal[i];
      db_sum[i] += d[i];
    }
    const double along = dot(g.data(), normal.data(), width) / n;
    double* to = dx.as<double>() + t * width;
    for (std::size_t i = 0; i < size; ++i) to[i] = s * (g[i] - g_mean - along * normal[i]);
  }
  add_to(dw, dw_sum);
  add_to(db, db_sum);
  return dx;
}

Tensor ReferenceGradients::primitive_backward(const Tensor& dy, const Tensor& x, const Primitive& primitive,
                                              std::span<const std::int32_t> rows) {
  Tensor dx = make(x.shape());
  if (!fits("primitive_backward: x", x, x.shape()) || !fits("primitive_backward: dy", dy, x.shape())) return dx;
  if (!accept(check_indices(ErrorCode::internal, "row", rows, x.shape().rows()))) return dx;
  std::copy_n(dy.as<double>(), dy.shape().elements(), dx.as<double>());
  primitive_backward_rows(primitive, dy.as<double>(), x.as<double>(), dx.as<double>(), x.shape().width(), rows);
  return dx;
}

}  // namespace vauban
