#include "ops/gradients.h"

#include <cstring>

namespace vauban {

bool has_gradient(Op op) {
  const bool only_observed = op == Op::attention_scores || op == Op::attention_pattern;
  const bool recurrence = op == Op::short_conv || op == Op::selective_scan || op == Op::gated_delta;
  return !only_observed && !recurrence && op != Op::blend_rows;
}

void Gradients::clear(Tensor& gradient) {
  if (gradient.empty()) return;
  const auto elements = static_cast<std::size_t>(gradient.shape().elements());
  std::memset(gradient.data(), 0, elements * (info(gradient.dtype()).bits / 8));
}

}  // namespace vauban
