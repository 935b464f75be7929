/// Gradients of the matrix products: linear layers, their biases, and the head.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "backends/reference/reference_gradients.h"
#include "backends/reference/reference_ops.h"
#include "ops/checks.h"

namespace vauban {
namespace {

/// to += factor * from
void add_scaled(double* to, double factor, const double* from, std::int64_t width) {
  for (std::int64_t i = 0; i < width; ++i) to[i] += factor * from[i];
}

/// d (cap tanh(s / cap)) / ds, from the capped value; 1 without a cap.
double softcap_slope(double capped, double cap) { return cap == 0.0 ? 1.0 : 1.0 - (capped / cap) * (capped / cap); }

double log_sum_exp(const std::vector<double>& values) {
  const double top = *std::max_element(values.begin(), values.end());
  double sum = 0.0;
  for (const double value : values) sum += std::exp(value - top);
  return top + std::log(sum);
}

/// One row of the logits: softcap(W x).
void logits_of(const double* x, const Weight& weight, double softcap, std::vector<double>& logits) {
  const std::int64_t width = weight.shape[1];
  const double* w = weight.tensor.as<double>();
  for (double& logit : logits) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < width; ++i) sum += x[i] * w[i];
    logit = softcap == 0.0 ? sum : softcap * std::tanh(sum / softcap);
    w += width;
  }
}

Result<void> check_head(const Tensor& x, const Weight& weight, std::span<const std::int32_t> targets,
                        std::span<const double> coefficients) {
  VB_CHECK(check_linear(x, weight, nullptr), "in the head");
  const std::int64_t rows = x.shape().rows();
  if (static_cast<std::int64_t>(targets.size()) != rows)
    return internal("head: {} targets for {} rows", targets.size(), rows);
  if (!coefficients.empty() && coefficients.size() != targets.size())
    return internal("head: {} coefficients for {} rows", coefficients.size(), rows);
  if (rows > 0 && weight.shape[0] == 0) return internal("head: '{}' has no rows", weight.name);
  return check_indices(ErrorCode::invalid_input, "target", targets, weight.shape[0]);
}

}  // namespace

Tensor ReferenceGradients::linear_input_backward(const Tensor& dy, const Weight& weight) {
  const std::int64_t rows = dy.shape().rows();
  Tensor dx = make({rows, weight.shape.width()});
  if (!accept(check_linear(dx, weight, nullptr))) return dx;
  const std::int64_t n_out = weight.shape[0], n_in = weight.shape[1];
  if (!fits("linear_input_backward: dy", dy, {rows, n_out})) return dx;
  for (std::int64_t t = 0; t < rows; ++t)
    for (std::int64_t o = 0; o < n_out; ++o)
      add_scaled(dx.as<double>() + t * n_in, dy.as<double>()[t * n_out + o], weight.tensor.as<double>() + o * n_in,
                 n_in);
  return dx;
}

void ReferenceGradients::linear_weight_backward(const Tensor& dy, const Tensor& x, Tensor& dw) {
  const std::int64_t rows = x.shape().rows(), n_out = dy.shape().width(), n_in = x.shape().width();
  if (!fits("linear_weight_backward: x", x, {rows, n_in})) return;
  if (!fits("linear_weight_backward: dy", dy, {rows, n_out})) return;
  if (!fits("linear_weight_backward: dw", dw, {n_out, n_in})) return;
  std::vector<double> sum(static_cast<std::size_t>(n_in));
  for (std::int64_t o = 0; o < n_out; ++o) {
    std::fill(sum.begin(), sum.end(), 0.0);
    for (std::int64_t t = 0; t < rows; ++t)
      add_scaled(sum.data(), dy.as<double>()[t * n_out + o], x.as<double>() + t * n_in, n_in);
    add_scaled(dw.as<double>() + o * n_in, 1.0, sum.data(), n_in);
  }
}

void ReferenceGradients::bias_backward(const Tensor& dy, Tensor& db) {
  const std::int64_t rows = dy.shape().rows(), width = dy.shape().width();
  if (!fits("bias_backward: dy", dy, dy.shape()) || !fits("bias_backward: db", db, {width})) return;
  std::vector<double> sum(static_cast<std::size_t>(width));
  for (std::int64_t t = 0; t < rows; ++t) add_scaled(sum.data(), 1.0, dy.as<double>() + t * width, width);
  add_scaled(db.as<double>(), 1.0, sum.data(), width);
}

HeadResult ReferenceGradients::head(const Tensor& x, const Weight& weight, double softcap,
                                    std::span<const std::int32_t> targets, std::span<const double> coefficients,
                                    Tensor* dw) {
  const bool with_gradient = !coefficients.empty();
  HeadResult result{.logprobs = std::vector<double>(targets.size()), .dx = {}};
  if (with_gradient) result.dx = make(x.shape());
  if (!accept(check_head(x, weight, targets, coefficients)) || !fits("head: x", x, x.shape())) return result;
  if (!fits("head: dw", dw, weight.shape)) return result;
  const std::int64_t width = weight.shape[1];
  std::vector<double> logits(static_cast<std::size_t>(weight.shape[0]));
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const std::int64_t row = static_cast<std::int64_t>(t) * width;
    logits_of(x.as<double>() + row, weight, softcap, logits);
    const double normaliser = log_sum_exp(logits);
    result.logprobs[t] = logits[static_cast<std::size_t>(targets[t])] - normaliser;
    if (!with_gradient) continue;
    for (std::size_t token = 0; token < logits.size(); ++token) {
      const double hit = static_cast<std::size_t>(targets[t]) == token ? 1.0 : 0.0;
      const double d =
          coefficients[t] * (hit - std::exp(logits[token] - normaliser)) * softcap_slope(logits[token], softcap);
      const std::int64_t at = static_cast<std::int64_t>(token) * width;
      add_scaled(result.dx.as<double>() + row, d, weight.tensor.as<double>() + at, width);
      if (dw) add_scaled(dw->as<double>() + at, d, x.as<double>() + row, width);
    }
  }
  return result;
}

Tensor ReferenceGradients::lm_head_backward(const Tensor& dlogits, const Tensor& logits, const Tensor& x,
                                            const Weight& weight, double softcap, Tensor* dw) {
  Tensor ds = make(logits.shape());
  if (!accept(check_linear(x, weight, nullptr))) return make(x.shape());
  const Shape expected{x.shape().rows(), weight.shape[0]};
  if (!fits("lm_head_backward: logits", logits, expected) || !fits("lm_head_backward: dlogits", dlogits, expected))
    return make(x.shape());
  for (std::int64_t i = 0; i < expected.elements(); ++i)
    ds.as<double>()[i] = dlogits.as<double>()[i] * softcap_slope(logits.as<double>()[i], softcap);
  if (dw) linear_weight_backward(ds, x, *dw);
  return linear_input_backward(ds, weight);
}

}  // namespace vauban
