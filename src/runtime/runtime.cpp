#include "base/result.h"
#include "vauban/runtime.h"

namespace vauban {
namespace {

Error no_weights(const Runtime& runtime) {
  const Support& support = runtime.capabilities().mutable_weights;
  return with_hint(unsupported("runtime '{}' has no weights that can be edited{}{}", runtime.capabilities().name,
                               support.reason.empty() ? "" : ": ", support.reason),
                   "name a model folder or a .gguf instead: weights are edited where they are loaded");
}

}  // namespace

Result<std::vector<WeightEditRecord>> Runtime::edit_weights(std::span<const WeightEdit> /*edits*/) {
  return no_weights(*this);
}

Result<std::vector<WeightEditRecord>> Runtime::undo_weight_edits(std::int64_t /*count*/) { return no_weights(*this); }

Result<std::vector<WeightEditRecord>> Runtime::undo_weight_edits() { return no_weights(*this); }

}  // namespace vauban
