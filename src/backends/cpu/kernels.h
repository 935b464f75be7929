/// The table of hot loops of the cpu backend. The same source (kernels_impl.h) is compiled once per instruction set.
///
/// This header and kernels_impl.h must not include library headers with inline functions: such a function, compiled
/// with AVX-512 in one file, could be the copy that the linker keeps for the whole program.
///
/// Order of a dot product over n elements, the same on every target and for any number of rows: sixteen lanes times two
/// accumulators (even and odd groups of sixteen), then even + odd, then halves of 8, 4, 2, 1. Targets with FMA round
/// once per step and therefore agree bit for bit; the portable target rounds twice.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vauban::cpu {

/// Storage of a weight row. Rows of a block type are a multiple of 32 wide.
enum class WeightType : std::uint8_t { f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0 };

/// As vauban::Activation, which gate_kind() turns into it; clamped_swiglu is for `gate` and `gate_backward` only.
enum class GateKind : std::uint8_t { silu, gelu_tanh, gelu_erf, relu, relu_squared, sigmoid, clamped_swiglu };

struct WeightMatrix {
  WeightType type;
  const std::byte* data;  ///< any alignment
  std::size_t row_bytes;
  std::size_t width;  ///< elements per row
};

struct Kernels {
  const char* name;  ///< "avx512"

  /// y[r * y_stride + n] = x[r] . w[n] for r < rows and n in [begin, end). x (rows, width).
  void (*linear)(const WeightMatrix& w, const float* x, std::size_t rows, float* y, std::size_t y_stride,
                 std::size_t begin, std::size_t end);
  void (*decode_row)(const WeightMatrix& w, std::size_t row, float* out);
  /// out = x / sqrt(mean(x^2) + epsilon) * w
  void (*rms_norm)(const float* x, const float* w, double epsilon, float* out, std::size_t n);
  /// out = (x - mean) / sqrt(variance + epsilon) * w + b; b may be null
  void (*layer_norm)(const float* x, const float* w, const float* b, double epsilon, float* out, std::size_t n);
  void (*activate)(GateKind kind, const float* x, float* out, std::size_t n);
  void (*gate)(GateKind kind, const float* gate, const float* up, float* out, std::size_t n);
  void (*add)(const float* a, const float* b, float* out, std::size_t n);
  /// out = a + scale * b
  void (*add_scaled)(const float* a, const float* b, float scale, float* out, std::size_t n);
  /// Turns pairs (i, pairs + i) of one head; turns (pairs, {cos, sin}).
  void (*rotate_halves)(const float* in, const float* turns, float* out, std::size_t pairs);
  /// x = cap * tanh(x / cap)
  void (*softcap)(float* x, float cap, std::size_t n);
  /// out[j] = scale * (q . keys[j]); keys (count, head_dim)
  void (*scores)(const float* q, const float* keys, std::size_t count, std::size_t head_dim, float scale, float* out);
  /// In place, n >= 1.
  void (*softmax)(float* x, std::size_t n);
  /// The same with one more score, whose weight is not written.
  void (*softmax_with_sink)(float* x, float sink, std::size_t n);
  /// out += sum_j p[j] * values[j], j ascending; values (count, head_dim)
  void (*accumulate)(const float* p, const float* values, std::size_t count, std::size_t head_dim, float* out);
};

/// Null where this build has no such target. Whether the processor can run it is asked in cpu_target.cpp.
const Kernels* avx512_kernels();
const Kernels* avx2_kernels();
const Kernels* portable_kernels();

}  // namespace vauban::cpu
