/// The arithmetic of a merge: W + scale * B A in f64, and one rounding.
#pragma once

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"
#include "model/adapter_plan.h"
#include "tensor/tensor.h"

namespace vauban {

/// How a pair's product lies in the stored tensor.
enum class DeltaLayout {
  out_in,  ///< a linear layer: element (o, i) is (B A)[o, i]
  in_out,  ///< a Conv1D, (in, out), or an embedding, (V, D): element (i, o)
};

struct MergedValues {
  std::vector<std::byte> bytes;  ///< of the tensor, as `dtype`
  double delta_l2 = 0, rounding_l2 = 0;
};

/// `base` in its stored layout. Errors: those of decoding; invalid_input for a value that `dtype` cannot hold.
Result<MergedValues> merge_pair(const TensorView& base, const PlannedPair& pair, DeltaLayout layout, DType dtype,
                                ThreadPool& pool);

/// The nearest value of `dtype` (f32, f16, bf16; ties to even), in one rounding, as f32.
float rounded_once(double value, DType dtype);

}  // namespace vauban
