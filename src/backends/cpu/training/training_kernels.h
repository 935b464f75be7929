/// Hot loops that only training needs, compiled once per instruction set beside the others (kernels.h has the rules).
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/cpu/kernels.h"

namespace vauban::cpu {

/// A(i, k) = data[i * row_stride + k * column_stride]
struct Strided {
  const float* data;
  std::ptrdiff_t row_stride, column_stride;
};

/// Columns and rows of a block of a packed right operand (matmul.h).
inline constexpr std::size_t kPackColumns = 64, kPackRows = 32;

struct TrainingKernels {
  /// c[i][j] (+)= sum_k A(i, k) b[k][j], k ascending, for i < m, j < n; b and c are row-major.
  void (*small_matmul)(const Strided& a, const float* b, std::size_t b_stride, float* c, std::size_t c_stride,
                       std::size_t m, std::size_t n, std::size_t k, bool accumulate);
  /// out (columns, rows) = in (rows, columns) transposed.
  void (*transpose)(const float* in, std::size_t in_stride, std::size_t rows, std::size_t columns, float* out,
                    std::size_t out_stride);
  /// The n <= kPackColumns columns of B(i, j) = in[i * row_stride + j * column_stride], i < k, as one packed column block:
  /// pairs of rows, [(k + 1) / 2][kPackColumns][2], with zeros up to whole kPackRows rows. One of the strides is 1.
  void (*pack_bf16)(const std::uint16_t* in, std::size_t row_stride, std::size_t column_stride, std::size_t k,
                    std::size_t n, std::uint16_t* out);
  /// transpose() of halves.
  void (*transpose_bf16)(const std::uint16_t* in, std::size_t in_stride, std::size_t rows, std::size_t columns,
                         std::uint16_t* out, std::size_t out_stride);
  /// Rounds to nearest even; NaN stays NaN.
  void (*to_bf16)(const float* in, std::uint16_t* out, std::size_t n);
  /// log sum exp of x.
  double (*log_sum_exp)(const float* x, std::size_t n);
  /// out = exp(x - shift)
  void (*exp_minus)(const float* x, float shift, float* out, std::size_t n);
  /// x = softmax(x); returns its log sum exp. n > 0.
  float (*softmax_with_log_sum)(float* x, std::size_t n);
  /// ds = p * (dp - d), then, where cap > 0, times 1 - (s / cap)^2. In place in dp.
  void (*softmax_backward)(const float* p, const float* s, float d, float cap, float* dp, std::size_t n);
  /// out = bf16(exp(x - shift)), 0 below -87 and e^87 above 87; returns the sum of the exponentials, unrounded.
  float (*exp_to_bf16)(const float* x, float shift, std::uint16_t* out, std::size_t n);
  /// out = bf16(x * factor)
  void (*scaled_to_bf16)(const float* x, float factor, std::uint16_t* out, std::size_t n);
  float (*dot)(const float* a, const float* b, std::size_t n);
  /// out += a * factor
  void (*accumulate_scaled)(const float* a, float factor, float* out, std::size_t n);
  /// dx = r w dy - x r^3 / n sum(dy w x) with r = 1 / sqrt(mean(x^2) + epsilon); dw += dy x r where dw is not null.
  void (*rms_norm_backward)(const float* dy, const float* x, const float* w, double epsilon, float* dx, float* dw,
                            std::size_t n);
  /// With c = x - mean, r = 1 / sqrt(mean(c^2) + epsilon), g = dy w: dx = r (g - mean(g) - c r^2 mean(g c));
  /// dw += dy c r and db += dy where not null. `scratch` has n floats.
  void (*layer_norm_backward)(const float* dy, const float* x, const float* w, double epsilon, float* dx, float* dw,
                              float* db, float* scratch, std::size_t n);
  /// dgate = dy up act'(gate), dup = dy act(gate)
  void (*gate_backward)(GateKind kind, const float* dy, const float* gate, const float* up, float* dgate, float* dup,
                        std::size_t n);
  /// dx = dy act'(x)
  void (*activate_backward)(GateKind kind, const float* dy, const float* x, float* dx, std::size_t n);
  /// Logits of one row become d loss / d logits = coefficient * ([j = target] - softmax_j); without a cap.
  /// With cap > 0 the row holds capped logits, and the result is by the uncapped ones. Where `bf16` is not null the result
  /// goes there, rounded; else it replaces the logits.
  void (*head_backward)(float* logits, double log_sum_exp, float coefficient, std::size_t target, float cap,
                        std::uint16_t* bf16, std::size_t n);
};

const TrainingKernels* avx512_training_kernels();
const TrainingKernels* avx2_training_kernels();
const TrainingKernels* portable_training_kernels();

/// Those of the target that `kernels` belongs to.
const TrainingKernels& training_kernels_of(const Kernels& kernels);

}  // namespace vauban::cpu
