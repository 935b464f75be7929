/// GgufModel: keys and tensors of a model as a GGUF, from a folder or from another GGUF, in types that a caller chooses.
/// What `convert` and `quantize` share.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/context.h"
#include "format/gguf_writer.h"
#include "transform/convert/model_tensors.h"
#include "transform/convert/tokenizer_to_gguf.h"

namespace vauban {

/// How a tensor of the map is stored.
struct StoredForm {
  DType dtype = DType::f32;
  std::span<const float> importance = {};  ///< for block types (cast.h); must outlive the writing
};
using ChooseForm = std::function<Result<StoredForm>(const MappedTensor& tensor)>;

struct TensorPlan {
  std::string name;
  Shape shape;
  DType from = DType::f32, to = DType::f32;
  std::uint64_t bytes = 0;   ///< as it will be stored
  std::uint64_t memory = 0;  ///< held while it is made, beside the mapped source
};

struct GgufModel {
  std::vector<GgufKey> keys;
  std::vector<TensorOut> tensors;  ///< read from `source`, which must outlive them
  std::vector<TensorPlan> plan;    ///< beside `tensors`
  std::vector<std::string> notes;
};

/// Keys of a GGUF source are kept in their order and types. Errors: those of mapping, of `choose` and of the tokenizer.
Result<GgufModel> make_gguf_model(const ModelSource& source, const ChooseForm& choose, const TokenizerOptions& tokenizer,
                                  const Context& context);

/// `general.file_type` for a model whose matrices are `dtype`. Source: the enumeration llama_ftype in llama.h.
Result<int> gguf_file_type(DType dtype);

/// "f32 x 5, q4_0 x 14" and the like: elements, bytes and bits per weight of a plan.
struct PlanTotals {
  std::int64_t parameters = 0;
  std::uint64_t bytes = 0;  ///< of tensors, without padding and metadata
  double bits_per_weight = 0;
};
PlanTotals totals_of(const std::vector<TensorPlan>& plan);

}  // namespace vauban
