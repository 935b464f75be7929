#include "ops/gradients.h"

#include <cstring>

namespace vauban {

bool has_gradient(Op op) {
  return op != Op::attention_scores && op != Op::attention_pattern && op != Op::blend_rows;
}

void Gradients::clear(Tensor& gradient) {
  if (gradient.empty()) return;
  const auto elements = static_cast<std::size_t>(gradient.shape().elements());
  std::memset(gradient.data(), 0, elements * (info(gradient.dtype()).bits / 8));
}

}  // namespace vauban
