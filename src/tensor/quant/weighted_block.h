/// Q4_0, Q4_1, Q5_0 and Q5_1 with an importance matrix: a weighted search per block of 32.
///
/// The weights depend on the mean square of the whole row, so these encoders take one row at a time.
#pragma once

#include <cstdint>

#include "tensor/quant/codecs.h"
#include "tensor/quant/scale_search.h"

namespace vauban::quant {

inline float mean_square(const float* row, std::int64_t blocks) {
  const std::int64_t n = blocks * kBlock;
  return n > 0 ? sum_of_squares({row, static_cast<std::size_t>(n)}) / static_cast<float>(n) : 0.0f;
}

struct SymmetricBlock {
  float scale;
  int codes[kBlock];
};
inline SymmetricBlock fit_symmetric_block(const float* x, int levels, const float* importance, float energy) {
  float weights[kBlock];
  std::int8_t codes[kBlock];
  blend_importance({x, kBlock}, importance, energy, weights);
  SymmetricBlock block;
  block.scale = fit_symmetric({x, kBlock}, levels, weights, codes);
  std::copy_n(codes, kBlock, block.codes);
  return block;
}

struct MinimumBlock {
  AffineFit fit;
  int codes[kBlock];
};
inline MinimumBlock fit_affine_32(const float* x, int limit, const float* importance, float energy) {
  float weights[kBlock];
  std::uint8_t codes[kBlock];
  blend_importance({x, kBlock}, importance, energy, weights);
  MinimumBlock block;
  block.fit = fit_affine({x, kBlock}, limit, weights, {-0.9f, 0.05f, 36}, codes);
  std::copy_n(codes, kBlock, block.codes);
  return block;
}

}  // namespace vauban::quant
