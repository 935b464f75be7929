/// TQ1_0 and TQ2_0: one of -1, 0, 1 per weight and one scale per 256, for models that were trained so (BitNet, TriLM).
#pragma once

#include "tensor/quant/super_block.h"

namespace vauban::quant {

struct TernaryBlock {
  float scale;                               ///< the largest magnitude
  std::array<std::uint8_t, kSuper> codes{};  ///< 0, 1, 2 for -1, 0, 1
};

inline TernaryBlock fit_ternary(const float* x) {
  TernaryBlock block{.scale = 0.0f};
  for (int i = 0; i < kSuper; ++i) block.scale = std::max(block.scale, std::fabs(x[i]));
  const float unit = inverse(block.scale);
  for (std::size_t i = 0; i < kSuper; ++i) {
    const float rounded = std::round(x[i] * unit);  // half away from zero, as lroundf
    // An infinite unit (a largest magnitude below 2^-128, which f16 stores as 0) gives code 1, as x86 does in ggml.
    block.codes[i] = !std::isfinite(rounded) ? 1 : rounded >= 1.0f ? 2 : rounded <= -1.0f ? 0 : 1;
  }
  return block;
}

}  // namespace vauban::quant
