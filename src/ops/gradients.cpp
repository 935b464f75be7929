#include "ops/gradients.h"

#include <cstring>

namespace vauban {

void Gradients::clear(Tensor& gradient) {
  if (gradient.empty()) return;
  const auto elements = static_cast<std::size_t>(gradient.shape().elements());
  std::memset(gradient.data(), 0, elements * (info(gradient.dtype()).bits / 8));
}

}  // namespace vauban
