/// The hot loops of the activation primitive. They are compiled once per instruction set from primitive_impl.h, in
/// files of their own: the recorded gate (primitive_gate.h) judges these sources and no others.
///
/// kernels.h has the rules for such files, and the order of a dot product: sixteen lanes times two accumulators (even
/// and odd groups of sixteen), then even + odd, then halves of 8, 4, 2, 1. It does not depend on the number of rows or
/// of directions. avx512 and avx2 give the same bits; portable rounds a multiply-add twice.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vauban::cpu {

/// How a row is stored. All arithmetic is f32: an element of a bf16 row is rounded to f32 as it is computed, then to
/// nearest even in bf16 as it is written (the scalar path rounds once, from f64).
enum class RowType : std::uint8_t { f32, bf16 };

struct PrimitiveKernels {
  const char* name;  ///< "avx512"

  /// Rounds finite values to f32 and returns the largest magnitude among them: Inf where one does not fit.
  float (*narrow)(const double* in, float* out, std::size_t n);

  /// p[r * count + n] = x[r] . directions[n].  x (rows, width) at any address, directions (count, width).
  /// One NaN or Inf in x[r] makes each of its products NaN or Inf.
  void (*project)(RowType type, const std::byte* x, std::size_t rows, std::size_t width, const float* directions,
                  std::size_t count, float* p);
  /// The sum of the squares of one row: 0, Inf or NaN where f32 cannot hold it.
  float (*squares)(RowType type, const std::byte* x, std::size_t width);
  /// One row: out = x + sum_r factors[r] directions[r]; then, of the row as it was stored, after[r] = out .
  /// directions[r]. Returns the sum of (out - x)^2. count >= 1; out does not overlap x.
  float (*edit)(RowType type, const std::byte* x, std::byte* out, std::size_t width, const float* directions,
                const float* factors, std::size_t count, float* after);
};

/// Null where this build has no such target. Whether the processor can run it is asked in cpu_target.cpp.
const PrimitiveKernels* avx512_primitive_kernels();
const PrimitiveKernels* avx2_primitive_kernels();
const PrimitiveKernels* portable_primitive_kernels();

}  // namespace vauban::cpu
