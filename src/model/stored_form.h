/// How a tensor lies in a file, and the way to and from the canonical form that networks load: matrices (out, in), rows in
/// canonical order (row_order.h), norms as what is multiplied by.
#pragma once

#include "base/result.h"
#include "model/row_order.h"
#include "model/tensor_map.h"

namespace vauban {

/// Shape in such a file.
Shape stored_shape(const TensorSpec& spec, bool gguf);

/// With a leading dimension of `count`; as it is for 0. Errors: corrupt for more elements than can be counted.
Result<Shape> stacked(const Shape& shape, std::int64_t count);

/// `view` as stored -> canonical; the file's own bytes where nothing changes. Errors: corrupt for rows that do not divide;
/// unsupported for block types that would have to be transposed.
Result<OwnedView> to_canonical(const TensorView& view, const TensorSpec& spec, bool gguf);
/// The way back. Errors: the same.
Result<OwnedView> from_canonical(const TensorView& view, const TensorSpec& spec, bool gguf);

}  // namespace vauban
