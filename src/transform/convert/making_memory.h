/// How much memory making one tensor takes.
#pragma once

#include "transform/convert/model_tensors.h"

namespace vauban {

/// Bytes held at most while `tensor` is made for a file of `to` and cast to `target`, beside the mapped source: the steps of
/// rows_for() and cast_tensor(), counted from types and shapes alone.
std::uint64_t memory_to_make(const MappedTensor& tensor, DType target, const ModelSource& source, Container to);

}  // namespace vauban
