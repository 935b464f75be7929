#include "backends/reference/reference_activation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace vauban {
namespace {

// gelu_tanh: 0.5 x (1 + tanh(kGeluScale (x + kGeluCubic x^3))). Source: Hendrycks and Gimpel 2016, arXiv 1606.08415.
const double kGeluScale = std::sqrt(2.0 / std::numbers::pi);
constexpr double kGeluCubic = 0.044715;
// clamped_swiglu: ops/ops.h
constexpr double kSwigluLimit = 7.0, kSwigluSharpness = 1.702;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double normal_cdf(double x) { return 0.5 * (1.0 + std::erf(x / std::numbers::sqrt2)); }
double normal_density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi); }
double gelu_tanh_inner(double x) { return std::tanh(kGeluScale * (x + kGeluCubic * x * x * x)); }

}  // namespace

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::silu:
      return x / (1.0 + std::exp(-x));
    case Activation::gelu_erf:
      return x * normal_cdf(x);
    case Activation::gelu_tanh:
      return 0.5 * x * (1.0 + gelu_tanh_inner(x));
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::relu_squared:
      return std::max(x, 0.0) * std::max(x, 0.0);
    case Activation::sigmoid:
      return sigmoid(x);
    case Activation::clamped_swiglu:
      break;  // gated only
  }
  return 0.0;
}

double activation_slope(Activation activation, double x) {
  switch (activation) {
    case Activation::silu:
      return sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)));
    case Activation::gelu_erf:
      return normal_cdf(x) + x * normal_density(x);
    case Activation::gelu_tanh: {
      const double t = gelu_tanh_inner(x);
      return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * kGeluScale * (1.0 + 3.0 * kGeluCubic * x * x);
    }
    case Activation::relu:
      return x > 0.0 ? 1.0 : 0.0;
    case Activation::relu_squared:
      return 2.0 * std::max(x, 0.0);
    case Activation::sigmoid:
      return sigmoid(x) * (1.0 - sigmoid(x));
    case Activation::clamped_swiglu:
      break;  // gated only
  }
  return 0.0;
}

double activate_gated(Activation activation, double gate, double up) {
  if (activation != Activation::clamped_swiglu) return activate(activation, gate) * up;
  const double g = std::min(gate, kSwigluLimit);
  return g * sigmoid(kSwigluSharpness * g) * (std::clamp(up, -kSwigluLimit, kSwigluLimit) + 1.0);
}

GateSlopes gated_slopes(Activation activation, double gate, double up) {
  if (activation != Activation::clamped_swiglu)
    return {.gate = activation_slope(activation, gate) * up, .up = activate(activation, gate)};
  const double g = std::min(gate, kSwigluLimit), u = std::clamp(up, -kSwigluLimit, kSwigluLimit);
  const double s = sigmoid(kSwigluSharpness * g);
  return {.gate = gate > kSwigluLimit ? 0.0 : (s + kSwigluSharpness * g * s * (1.0 - s)) * (u + 1.0),
          .up = std::abs(up) > kSwigluLimit ? 0.0 : g * s};
}

}  // namespace vauban
