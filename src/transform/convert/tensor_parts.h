/// Where the tensors of a map lie in a file, one by one, and the way from one file to another.
#pragma once

#include <memory>
#include <string>
#include <string_view>
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

/// What the source stores under this name, or under the alias that folders may use instead; a compressed matrix as f32 without
/// bytes. Valid as long as the source. Errors: not_found; corrupt for another shape; unsupported for a compressed stack.
using FoundTensor = std::shared_ptr<const TensorEntry>;
Result<FoundTensor> find_stored(const ModelSource& source, const TensorSpec& spec, const std::string& name);
bool is_compressed(const ModelSource& source, std::string_view name);
/// The bytes of what was found; a compressed matrix is decoded. Errors: those of decoding.
Result<OwnedView> bytes_of(const ModelSource& source, const TensorEntry& found);

/// In canonical form; blocks that would have to be transposed come as f32.
Result<OwnedView> read_canonical(const ModelSource& source, const TensorSpec& spec);
/// Parts of one tensor of the wanted container, joined and ordered as it stores them. Errors: those of reading.
Result<OwnedView> join_parts(const ModelSource& source, const std::vector<TensorSpec>& parts, Container to);

}  // namespace vauban
