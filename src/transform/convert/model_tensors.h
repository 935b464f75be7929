/// ModelTensors: the tensors of a source, found by their architecture's map, ready to be written in either format.
#pragma once

#include <optional>
#include <vector>

#include "base/context.h"
#include "format/model_source.h"
#include "format/tensor_out.h"
#include "model/model.h"

namespace vauban {

/// One tensor of the map and where the source stores it.
struct MappedTensor {
  TensorSpec spec;
  const TensorEntry* entry = nullptr;  ///< of the source, which must outlive this
};

struct ModelTensors {
  const Architecture* architecture = nullptr;
  ModelConfig config;
  std::vector<MappedTensor> tensors;  ///< in the order of the map
};

/// Errors: those of the architecture and its configuration; not_found for a missing tensor, corrupt for another shape,
/// unsupported when the source holds tensors that the map does not have (rotary buffers apart): nothing is left behind.
Result<ModelTensors> map_tensors(const ModelSource& source);

/// As stored in this container: Conv1D weights of a folder lie the other way.
Shape shape_in(const TensorSpec& spec, Container container);

/// Vectors, and the table of positions: llama.cpp keeps these at f32 in every GGUF.
bool stays_f32(const TensorSpec& spec);

struct TensorRows {
  DType dtype = DType::f32;
  TensorBytes bytes;
};
/// The rows of `tensor` in the order of the wanted format, in the source's type; blocks that must be transposed come
/// as f32.
Result<TensorRows> rows_for(const MappedTensor& tensor, Container from, Container to);

}  // namespace vauban
