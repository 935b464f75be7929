/// Changing the element type of a tensor.
#pragma once

#include "base/thread_pool.h"
#include "format/tensor_out.h"

namespace vauban {

/// `view` as `target`: f32, f16, bf16 or a block type with an encoder. The same type passes without a copy; else the
/// values are decoded to f32 and rounded once, rows in parallel (the result does not depend on the pool's size).
/// `importance` guides block types (format.h): one weight per column, or, for experts stacked in three dimensions, one per
/// column of each expert; empty: none.
/// Errors: corrupt for a NaN or infinity that a block type cannot hold (element named) or a width that does not divide
/// into blocks; invalid_input for a value beyond f16's 65504, a block whose scale overflows, or importance weights of
/// another length; unsupported for a type that needs importance weights where there are none, and for other types.
Result<TensorBytes> cast_tensor(const TensorView& view, DType target, ThreadPool& pool, std::span<const float> importance = {});

/// Whether every element of `view` has the same value in `target` (f16 or bf16).
Result<bool> is_exact_in(const TensorView& view, DType target);

}  // namespace vauban
