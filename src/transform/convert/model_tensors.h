/// ModelTensors: the tensors of a source, found by their architecture's map, ready to be written in either format.
///
/// The map of a model's GGUF form is the finest there is: where a format keeps several of its tensors as one (stacks of
/// experts, fused projections), that one is made of parts.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/context.h"
#include "format/model_source.h"
#include "format/tensor_out.h"
#include "model/model.h"

namespace vauban {

/// One tensor to write and where the source stores it.
struct MappedTensor {
  TensorSpec spec;                     ///< as one tensor: its names, its shape (stored, where it has parts), its role
  /// Of the source, which must outlive this; the first one where there are several. A compressed matrix is f32 without bytes.
  std::shared_ptr<const TensorEntry> entry;
  bool compressed = false;             ///< decoded as it is read
  std::vector<TensorSpec> parts;       ///< of the map, in order; empty: `spec` is the map's own
  std::optional<std::int64_t> row;     ///< this row alone of the only part: folders that keep rows apart
};

struct ModelTensors {
  const Architecture* architecture = nullptr;
  ModelConfig config;                 ///< as the source says it
  std::vector<MappedTensor> tensors;  ///< in the order of the map
};

/// For a file of the container `to`. Errors: those of the architecture and its configuration; not_found for a missing
/// tensor, corrupt for another shape, unsupported when the source holds tensors that the map does not have (rotary buffers
/// apart): nothing is left behind.
Result<ModelTensors> map_tensors(const ModelSource& source, Container to);

/// As stored in this container: Conv1D weights of a folder lie the other way.
Shape shape_in(const MappedTensor& tensor, Container container);

/// Vectors, stacks of vectors, routers and the table of positions: llama.cpp keeps these at f32 in every GGUF.
bool stays_f32(const TensorSpec& spec);

struct TensorRows {
  DType dtype = DType::f32;
  TensorBytes bytes;
};
/// The rows of `tensor` in the order of the wanted format, in the source's type; blocks that must be transposed, and parts
/// of different types, come as f32.
Result<TensorRows> rows_for(const MappedTensor& tensor, const ModelSource& source, Container to);

}  // namespace vauban
