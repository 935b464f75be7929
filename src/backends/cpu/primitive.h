/// The activation primitive on f32 and bf16 rows in host memory, on the cpu backend's kernels (primitive_kernels.h).
///
/// Formulas: vauban/primitive.h. Dot products, coefficients and the delta accumulate in f32, in one fixed order per
/// row, so the bits of a row depend neither on the other rows nor on the thread count; the new row is rounded once when
/// it is written, and `after` and `delta_norm` are measured on what was written. Untouched rows, rows behind a closed
/// gate and rows that a clamp leaves where they are keep their bits.
///
/// Cost per row of width D and k directions, with z bytes per element: reads z D and, where it can change, writes z D
/// bytes of memory; the directions (4 k D bytes) and the second look at the row come from cache. (6 k + 3) D
/// flop with an edit, 2 k D without.
///
/// A row whose sums leave the range in which f32 can be trusted (NaN, Inf, overflow, squares below 1e-30 or above 1e30)
/// is computed by the scalar path in f64 instead, and so is a whole primitive whose vectors or factors do not fit f32.
/// The gate of a conditional compares an f32 sum: a projection within about 1e-6 |h| |gate| of tau may fall on either
/// side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/primitive_kernels.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "ops/ops.h"
#include "vauban/primitive.h"

namespace vauban::cpu {

/// Rows of f32 or bf16, row-major, at any address.
struct PrimitiveRows {
  RowType type = RowType::f32;
  const std::byte* input = nullptr;
  std::byte* output = nullptr;  ///< where the primitive can change something: written whole, does not overlap input
  std::int64_t count = 0, width = 0;
};

/// The primitive on `rows` of x (each in [0, count), in any order). Rows of x that are not named are copied. Fills
/// before, after, delta_norm and gates_open of `result`; its output is the caller's. Returns the first of `rows` that
/// holds NaN or Inf (reported, not repaired), or -1. `primitive` has passed validate_primitive for the width.
std::int64_t apply_primitive(const PrimitiveKernels& kernels, ThreadPool& pool, const Primitive& primitive,
                             const PrimitiveRows& x, std::span<const std::int32_t> rows, PrimitiveResult& result);
/// The same in f64 on the scalar path, one thread.
std::int64_t apply_primitive_scalar(const Primitive& primitive, const PrimitiveRows& x,
                                    std::span<const std::int32_t> rows, PrimitiveResult& result);

/// Projections of `rows` on `directions` (n, D) as they are, handed to `sink` in order: Ops::project for rows in host
/// memory. The same bits as `before` of apply_primitive. Errors: unsupported, before the first row, for a direction whose
/// size does not fit f32; invalid_input naming the row that holds NaN or Inf, or whose projection does not fit f32.
Result<void> project_rows(const PrimitiveKernels& kernels, ThreadPool& pool, const PrimitiveRows& x,
                          std::span<const double> directions, std::span<const std::int32_t> rows, ProjectionSink& sink);

}  // namespace vauban::cpu
