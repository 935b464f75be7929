/// Whether the values of a tensor are numbers.
#pragma once

#include "base/thread_pool.h"
#include "tensor/tensor.h"

namespace vauban {

/// Errors: corrupt for a NaN or an infinity among f16, bf16, f32 or f64 elements (the first is named). Blocks and small floats
/// are not decoded and pass: what is made of their values is checked where they are cast.
Result<void> check_finite(const TensorView& view, ThreadPool& pool);

}  // namespace vauban
