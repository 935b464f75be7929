/// Where the tensors of a map lie in a file, one by one, and the way from one file to another.
#pragma once

#include <string>
#include <vector>

#include "format/model_source.h"
#include "model/row_order.h"
#include "model/tensor_map.h"

namespace vauban {

/// Names in a file of this container; several where a folder keeps rows apart.
std::vector<std::string> stored_names(const TensorSpec& spec, Container container);
/// The tensor that holds it, as one of the file.
const TensorSpec& holder_of(const TensorSpec& spec, Container container);
InStack stack_of(const TensorSpec& spec, Container container);
/// The stored shape of what holds it, stacks and all. Errors: corrupt.
Result<Shape> holder_shape(const TensorSpec& spec, Container container);

/// What the source stores under this name, or under the alias that folders may use instead. Errors: not_found; corrupt for
/// another shape.
Result<const TensorEntry*> find_stored(const ModelSource& source, const TensorSpec& spec, const std::string& name);

/// In canonical form; blocks that would have to be transposed come as f32.
Result<OwnedView> read_canonical(const ModelSource& source, const TensorSpec& spec);
/// Parts of one tensor of the wanted container, joined and ordered as it stores them. Errors: those of reading.
Result<OwnedView> join_parts(const ModelSource& source, const std::vector<TensorSpec>& parts, Container to);

}  // namespace vauban
