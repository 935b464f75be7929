/// Q4_K and Q5_K: eight groups of 32 with 6-bit scales and minima. They differ in the limit of the codes and in the packing.
#pragma once

#include "tensor/quant/super_block.h"

namespace vauban::quant {

struct AffineBlock {
  std::array<ScalePair, 8> pairs;
  std::array<std::uint8_t, kSuper> codes;
  float d = 0, dmin = 0;  ///< as they are before rounding to f16
};

/// Scales over the largest of the block; weights from the magnitudes.
AffineBlock fit_affine_block(const float* x, int limit, AffineSearch search);
/// Scales by a weighted search; weights from `importance` (256 values).
AffineBlock fit_affine_block_weighted(const float* x, int limit, const float* importance);

/// Stores d, dmin and the scales at `out` (16 bytes), and settles the codes by what was stored.
void store_affine_header(const float* x, int limit, AffineBlock& block, std::byte* out);

/// Scale and minimum of group j, in floats.
struct AffineGroup {
  float scale, minimum;
};
AffineGroup affine_group(const std::byte* header, int j);

}  // namespace vauban::quant
