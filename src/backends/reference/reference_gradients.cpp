#include "backends/reference/reference_gradients.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "backends/reference/reference_activation.h"
#include "backends/reference/reference_ops.h"
#include "base/rng.h"
#include "ops/checks.h"

namespace vauban {

Tensor ReferenceGradients::make(const Shape& shape) { return ops_.make(shape); }

bool ReferenceGradients::accept(Result<void> check) { return ops_.accept(std::move(check)); }

bool ReferenceGradients::fits(std::string_view what, const Tensor& found, const Shape& expected) {
  if (found.empty() || found.shape() != expected)
    return accept(internal("{}: expected {}, found {}", what, expected.to_string(), found.shape().to_string()));
  return ops_.accept(ok(), {&found});
}

bool ReferenceGradients::fits(std::string_view what, const Tensor* found, const Shape& expected) {
  return found == nullptr || fits(what, *found, expected);
}

Result<Weight> ReferenceGradients::make_parameter(std::string name, const TensorView& initial) {
  VB_TRY(Weight weight, ops_.load_weight(std::move(name), initial, nullptr));
  weight.dtype = DType::f64;
  return weight;
}

Tensor ReferenceGradients::zeros(const Shape& shape) { return make(shape); }

Tensor ReferenceGradients::scaled(const Tensor& x, double factor) {
  Tensor out = make(x.shape());
  if (!fits("scaled", x, x.shape())) return out;
  for (std::int64_t i = 0; i < x.shape().elements(); ++i) out.as<double>()[i] = factor * x.as<double>()[i];
  return out;
}

Tensor ReferenceGradients::masked(const Tensor& x, double rate, const DropoutKey& key) {
  Tensor out = make(x.shape());
  if (!fits("masked", x, x.shape())) return out;
  if (!(rate >= 0.0 && rate < 1.0))
    return accept(internal("dropout: expected a rate in [0, 1), found {}", rate)), out;
  Rng rng(key.seed, key.stream);
  for (std::int64_t i = 0; i < x.shape().elements(); ++i)
    out.as<double>()[i] = rng.uniform() >= rate ? x.as<double>()[i] / (1.0 - rate) : 0.0;
  return out;
}

void ReferenceGradients::embed_backward(const Tensor& dy, std::span<const std::int32_t> ids, Tensor& dtable) {
  const std::int64_t width = dtable.shape().width();
  if (!fits("embed_backward: dtable", dtable, {dtable.shape().rows(), width})) return;
  if (!fits("embed_backward: dy", dy, {static_cast<std::int64_t>(ids.size()), width})) return;
  if (!accept(check_indices(ErrorCode::internal, "token id", ids, dtable.shape().rows()))) return;
  for (std::size_t t = 0; t < ids.size(); ++t) {
    const double* from = dy.as<double>() + static_cast<std::int64_t>(t) * width;
    double* to = dtable.as<double>() + ids[t] * width;
    for (std::int64_t i = 0; i < width; ++i) to[i] += from[i];
  }
}

Tensor ReferenceGradients::activation_backward(const Tensor& dy, const Tensor& x, Activation activation) {
  Tensor dx = make(x.shape());
  if (!accept(check_activation(activation))) return dx;
  if (!fits("activation_backward: x", x, x.shape()) || !fits("activation_backward: dy", dy, x.shape())) return dx;
  for (std::int64_t i = 0; i < x.shape().elements(); ++i)
    dx.as<double>()[i] = dy.as<double>()[i] * activation_slope(activation, x.as<double>()[i]);
  return dx;
}

Tensor ReferenceGradients::clamp_backward(const Tensor& dy, const Tensor& x, double limit) {
  Tensor dx = make(x.shape());
  if (!accept(check_clamp(x, limit)) || !fits("clamp_backward: x", x, x.shape())) return dx;
  if (!fits("clamp_backward: dy", dy, x.shape())) return dx;
  for (std::int64_t i = 0; i < x.shape().elements(); ++i)
    dx.as<double>()[i] = std::abs(x.as<double>()[i]) <= limit ? dy.as<double>()[i] : 0.0;
  return dx;
}

Tensor ReferenceGradients::multiply_backward(const Tensor& dy, const Tensor& x, const Weight& weight, Tensor* dw) {
  Tensor dx = make(x.shape());
  if (!accept(check_multiply(x, weight)) || !fits("multiply_backward: x", x, x.shape())) return dx;
  if (!fits("multiply_backward: dy", dy, x.shape()) || !fits("multiply_backward: dw", dw, weight.shape)) return dx;
  const std::int64_t width = x.shape().width();
  for (std::int64_t i = 0; i < x.shape().elements(); ++i) {
    dx.as<double>()[i] = dy.as<double>()[i] * weight.tensor.as<double>()[i % width];
    if (dw) dw->as<double>()[i % width] += dy.as<double>()[i] * x.as<double>()[i];
  }
  return dx;
}

GateGradients ReferenceGradients::gated_activation_backward(const Tensor& dy, const Tensor& gate, const Tensor& up,
                                                            Activation activation) {
  GateGradients d{.gate = make(gate.shape()), .up = make(gate.shape())};
  if (!fits("gated_activation_backward: gate", gate, gate.shape())) return d;
  if (!fits("gated_activation_backward: up", up, gate.shape())) return d;
  if (!fits("gated_activation_backward: dy", dy, gate.shape())) return d;
  for (std::int64_t i = 0; i < gate.shape().elements(); ++i) {
    const double y = dy.as<double>()[i], g = gate.as<double>()[i];
    const GateSlopes slopes = gated_slopes(activation, g, up.as<double>()[i]);
    d.gate.as<double>()[i] = y * slopes.gate;
    d.up.as<double>()[i] = y * slopes.up;
  }
  return d;
}

Tensor ReferenceGradients::rope_backward(const Tensor& dy, std::span<const std::int32_t> positions,
                                         const RopeTable& table) {
  // The forward turns every pair by its angle and scales it; the transpose turns it back and scales it the same.
  RopeTable back = table;
  for (double& frequency : back.inverse_frequency) frequency = -frequency;
  return ops_.rope(dy, positions, back);
}

Tensor ReferenceGradients::columns_backward(const Tensor& dy, std::int64_t begin, std::int64_t width) {
  Tensor dx = make(with_width(dy.shape(), std::max<std::int64_t>(width, 0)));
  const std::int64_t count = dy.shape().width();
  if (!accept(check_columns(dx, begin, count)) || !fits("columns_backward: dy", dy, with_width(dx.shape(), count)))
    return dx;
  for (std::int64_t t = 0; t < dy.shape().rows(); ++t)
    std::copy_n(dy.as<double>() + t * count, count, dx.as<double>() + t * width + begin);
  return dx;
}

Tensor ReferenceGradients::select_rows_backward(const Tensor& dy, std::span<const std::int32_t> rows,
                                                std::int64_t total_rows) {
  Tensor dx = make(with_rows(dy.shape(), std::max<std::int64_t>(total_rows, 0)));
  if (!fits("select_rows_backward: dy", dy, with_rows(dy.shape(), static_cast<std::int64_t>(rows.size())))) return dx;
  if (!accept(check_indices(ErrorCode::internal, "row", rows, total_rows))) return dx;
  const std::int64_t size = rows.empty() ? 0 : dy.shape().elements() / dy.shape()[0];
  for (std::size_t t = 0; t < rows.size(); ++t)
    for (std::int64_t i = 0; i < size; ++i)
      dx.as<double>()[rows[t] * size + i] += dy.as<double>()[static_cast<std::int64_t>(t) * size + i];
  return dx;
}

}  // namespace vauban
