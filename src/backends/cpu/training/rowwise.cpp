/// Gradients of norms, rotations, activations and biases. Sums over rows go block by block, so that their order does not
/// depend on the thread count.
#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/cpu/gate_kind.h"
#include "backends/cpu/training/training_backend.h"
#include "ops/checks.h"
#include "ops/primitive_rows.h"

namespace vauban::cpu {
namespace {

constexpr std::int64_t kBlockRows = 64;
constexpr std::int64_t kExpCost = 10;  // per element, in multiply-adds

std::int64_t blocks_of(std::int64_t rows) { return (rows + kBlockRows - 1) / kBlockRows; }

}  // namespace

/// into += the sum of `blocks` rows of `width`, in ascending order.
void CpuGradients::add_partials(const Tensor& partials, std::int64_t blocks, std::int64_t width, Tensor& into) {
  if (partials.empty()) return;
  for (std::int64_t b = 0; b < blocks; ++b)
    ops_.train_.accumulate_scaled(partials.as<float>() + b * width, 1.0f, into.as<float>(),
                                  static_cast<std::size_t>(width));
}

void CpuGradients::bias_backward(const Tensor& dy, Tensor& db) {
  const std::int64_t width = dy.shape().width(), rows = dy.shape().rows();
  if (!accept_gradient("bias", &db, {width})) return;
  const Tensor partials = zeros({blocks_of(rows), width});
  if (partials.empty()) return;
  const float* from = dy.as<float>();
  ops_.parallel(blocks_of(rows), kBlockRows * width, [&](std::size_t begin, std::size_t end) {
    for (auto b = static_cast<std::int64_t>(begin); b < static_cast<std::int64_t>(end); ++b)
      for (std::int64_t t = b * kBlockRows; t < std::min(rows, (b + 1) * kBlockRows); ++t)
        ops_.train_.accumulate_scaled(from + t * width, 1.0f, partials.as<float>() + b * width,
                                      static_cast<std::size_t>(width));
  });
  add_partials(partials, blocks_of(rows), width, db);
}

Tensor CpuGradients::rms_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                                       Tensor* dw) {
  Tensor dx = ops_.make(x.shape());
  Result<void> check = check_norm(x, weight);
  if (check) check = check_same_shape("rms_norm backward", dy, x);
  if (!accept(std::move(check), {&dy, &x}, dx) || !accept_gradient("rms_norm", dw, weight.shape)) return dx;
  const std::int64_t width = x.shape().width(), rows = x.shape().rows(), blocks = blocks_of(rows);
  const Tensor partials = dw ? zeros({blocks, width}) : Tensor();
  const float *g = dy.as<float>(), *in = x.as<float>(), *w = weight.tensor.as<float>();
  float *to = dx.as<float>(), *sums = CpuTrainingOps::memory_of<float>(partials);
  ops_.parallel(blocks, kBlockRows * width * 6, [&](std::size_t begin, std::size_t end) {
    for (auto b = static_cast<std::int64_t>(begin); b < static_cast<std::int64_t>(end); ++b)
      for (std::int64_t t = b * kBlockRows; t < std::min(rows, (b + 1) * kBlockRows); ++t)
        ops_.train_.rms_norm_backward(g + t * width, in + t * width, w, epsilon, to + t * width,
                                      sums ? sums + b * width : nullptr, static_cast<std::size_t>(width));
  });
  if (dw) add_partials(partials, blocks, width, *dw);
  return dx;
}

Tensor CpuGradients::layer_norm_backward(const Tensor& dy, const Tensor& x, const Weight& weight, double epsilon,
                                         Tensor* dw, Tensor* db) {
  Tensor dx = ops_.make(x.shape());
  Result<void> check = check_norm(x, weight);
  if (check) check = check_same_shape("layer_norm backward", dy, x);
  if (!accept(std::move(check), {&dy, &x}, dx) || !accept_gradient("layer_norm", dw, weight.shape) ||
      !accept_gradient("layer_norm", db, weight.shape))
    return dx;
  const std::int64_t width = x.shape().width(), rows = x.shape().rows(), blocks = blocks_of(rows);
  const Tensor for_w = dw ? zeros({blocks, width}) : Tensor(), for_b = db ? zeros({blocks, width}) : Tensor();
  const Tensor centred = ops_.make({blocks, width});
  if (centred.empty()) return dx;
  const float *g = dy.as<float>(), *in = x.as<float>(), *w = weight.tensor.as<float>();
  float *to = dx.as<float>(), *w_sums = CpuTrainingOps::memory_of<float>(for_w),
        *b_sums = CpuTrainingOps::memory_of<float>(for_b);
  ops_.parallel(blocks, kBlockRows * width * 8, [&](std::size_t begin, std::size_t end) {
    for (auto b = static_cast<std::int64_t>(begin); b < static_cast<std::int64_t>(end); ++b)
      for (std::int64_t t = b * kBlockRows; t < std::min(rows, (b + 1) * kBlockRows); ++t)
        ops_.train_.layer_norm_backward(g + t * width, in + t * width, w, epsilon, to + t * width,
                                        w_sums ? w_sums + b * width : nullptr, b_sums ? b_sums + b * width : nullptr,
                                        centred.as<float>() + b * width, static_cast<std::size_t>(width));
  });
  if (dw) add_partials(for_w, blocks, width, *dw);
  if (db) add_partials(for_b, blocks, width, *db);
  return dx;
}

/// A rotation's inverse is its transpose: the same turn by the negative angle.
Tensor CpuGradients::rope_backward(const Tensor& dy, std::span<const std::int32_t> positions, const RopeTable& table) {
  RopeTable back = table;
  for (double& frequency : back.inverse_frequency) frequency = -frequency;
  return ops_.rope(dy, positions, back);
}

Tensor CpuGradients::activation_backward(const Tensor& dy, const Tensor& x, Activation activation) {
  Tensor dx = ops_.make(x.shape());
  Result<void> check = check_activation(activation);
  if (check) check = check_same_shape("activation backward", dy, x);
  if (!accept(std::move(check), {&dy, &x}, dx)) return dx;
  const float *g = dy.as<float>(), *in = x.as<float>();
  float* to = dx.as<float>();
  ops_.parallel(x.shape().elements(), kExpCost, [&](std::size_t begin, std::size_t end) {
    ops_.train_.activate_backward(gate_kind(activation), g + begin, in + begin, to + begin, end - begin);
  });
  return dx;
}

Tensor CpuGradients::clamp_backward(const Tensor& dy, const Tensor& x, double limit) {
  Tensor dx = ops_.make(x.shape());
  Result<void> check = check_clamp(x, limit);
  if (check) check = check_same_shape("clamp backward", dy, x);
  if (!accept(std::move(check), {&dy, &x}, dx)) return dx;
  const float *g = dy.as<float>(), *in = x.as<float>(), most = static_cast<float>(limit);
  float* to = dx.as<float>();
  ops_.parallel(x.shape().elements(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) to[i] = std::abs(in[i]) <= most ? g[i] : 0.0f;
  });
  return dx;
}

Tensor CpuGradients::multiply_backward(const Tensor& dy, const Tensor& x, const Weight& weight, Tensor* dw) {
  Tensor dx = ops_.make(x.shape());
  Result<void> check = check_multiply(x, weight);
  if (check) check = check_same_shape("multiply backward", dy, x);
  if (!accept(std::move(check), {&dy, &x}, dx) || !accept_gradient("multiply", dw, weight.shape)) return dx;
  const std::int64_t width = x.shape().width(), rows = x.shape().rows(), blocks = blocks_of(rows);
  const Tensor partials = dw ? zeros({blocks, width}) : Tensor();
  const float *g = dy.as<float>(), *in = x.as<float>(), *w = weight.tensor.as<float>();
  float *to = dx.as<float>(), *sums = CpuTrainingOps::memory_of<float>(partials);
  ops_.parallel(blocks, kBlockRows * width * 2, [&](std::size_t begin, std::size_t end) {
    for (auto b = static_cast<std::int64_t>(begin); b < static_cast<std::int64_t>(end); ++b)
      for (std::int64_t t = b * kBlockRows; t < std::min(rows, (b + 1) * kBlockRows); ++t)
        for (std::int64_t i = 0; i < width; ++i) {
          to[t * width + i] = g[t * width + i] * w[i];
          if (sums) sums[b * width + i] += g[t * width + i] * in[t * width + i];
        }
  });
  if (dw) add_partials(partials, blocks, width, *dw);
  return dx;
}

GateGradients CpuGradients::gated_activation_backward(const Tensor& dy, const Tensor& gate, const Tensor& up,
                                                      Activation activation) {
  GateGradients out{.gate = ops_.make(gate.shape()), .up = ops_.make(up.shape())};
  Result<void> check = check_same_shape("gated_activation backward", gate, up);
  if (check) check = check_same_shape("gated_activation backward", dy, gate);
  if (!accept(std::move(check), {&dy, &gate, &up}, out.gate) || out.up.empty()) return out;
  const float *g = dy.as<float>(), *a = gate.as<float>(), *b = up.as<float>();
  float *to_gate = out.gate.as<float>(), *to_up = out.up.as<float>();
  ops_.parallel(gate.shape().elements(), kExpCost, [&](std::size_t begin, std::size_t end) {
    ops_.train_.gate_backward(gate_kind(activation), g + begin, a + begin, b + begin, to_gate + begin, to_up + begin,
                              end - begin);
  });
  return out;
}

Tensor CpuGradients::primitive_backward(const Tensor& dy, const Tensor& x, const Primitive& primitive,
                                        std::span<const std::int32_t> rows) {
  Tensor dx = ops_.make(x.shape());
  Result<void> check = check_same_shape("primitive backward", dy, x);
  if (check) check = check_indices(ErrorCode::internal, "row", rows, x.shape().rows());
  if (!accept(std::move(check), {&dy, &x}, dx)) return dx;
  std::copy_n(dy.as<float>(), dy.shape().elements(), dx.as<float>());
  primitive_backward_rows(primitive, dy.as<float>(), x.as<float>(), dx.as<float>(), x.shape().width(), rows);
  return dx;
}

}  // namespace vauban::cpu
