/// What any implementation of the activation primitive must satisfy, as a list of what it violates: so that the same
/// checks run on a backend, on f32 and bf16 rows, and on implementations with a planted fault (which must violate
/// something).
///
/// Every expectation is computed here in f64 from the formulas of trace-contract section 7, not by the project's code.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "contract/ops_bench.h"

namespace vauban::test {

/// x (any leading shape, D), a validated primitive, rows.
using ApplyPrimitive =
    std::function<PrimitiveResult(const Tensor& x, const Primitive& primitive, std::span<const std::int32_t> rows)>;

/// How far an implementation may be from f64.
struct PrimitiveBounds {
  double projection = 0.0;  ///< of |h| |d|
  double element = 0.0;     ///< rounding of an element to the storage type, relative
};
/// Each sum in f64; f64 or f32 storage.
PrimitiveBounds exact_bounds(DType storage);
/// f32 sums over at most 2049 / 32 products per lane, of random sign: a few parts in 1e7 of |h| |d|.
PrimitiveBounds f32_bounds(DType storage);

/// A tensor of `dtype` (f64, f32 or bf16) with the given values, between guards, as aligned as its type needs.
Tensor stored_rows(DType dtype, const Shape& shape, const std::vector<double>& values);

/// A validated primitive of any mode for `width`; its gate is another direction than its own.
Primitive primitive_of(PrimitiveMode mode, std::int64_t width, double alpha, std::uint64_t stream = 50);
std::span<const PrimitiveMode> all_primitive_modes();

/// Violations over all modes, the widths given, and (2, 3, D) activations of which rows 0, 2 and 5 are touched.
std::vector<std::string> violations(const ApplyPrimitive& apply, DType storage, const PrimitiveBounds& bounds,
                                    std::span<const std::int64_t> widths);

}  // namespace vauban::test
