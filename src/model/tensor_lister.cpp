#include <utility>

#include "model/weight_source.h"

namespace vauban {

Result<Weight> TensorLister::get(const TensorSpec& tensor) {
  map_.push_back(tensor);
  return Weight{};
}

Result<Linear> TensorLister::linear(const TensorSpec& module, bool with_bias) {
  map_.push_back(weight_of(module));
  if (with_bias) map_.push_back(bias_of(module));
  return Linear{};
}

Result<Embedding> TensorLister::embedding(const TensorSpec& table) {
  map_.push_back(table);
  return Embedding{};
}

Result<WeightSource::Ends> TensorLister::ends(const TensorSpec& table, const TensorSpec& head, bool tied) {
  map_.push_back(table);
  if (!tied) last_.push_back(head);
  return Ends{};
}

TensorMap TensorLister::take() {
  map_.insert(map_.end(), last_.begin(), last_.end());
  last_.clear();
  return std::exchange(map_, {});
}

}  // namespace vauban
