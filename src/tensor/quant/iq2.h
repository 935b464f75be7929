/// What IQ2_XXS, IQ2_XS and IQ2_S share: magnitudes 1, 3, 5 in the search, stored as 8, 25, 43 eighths, and the weights.
#pragma once

#include "tensor/quant/lattice.h"

namespace vauban::quant {

inline constexpr std::array<float, 4> kIq2Magnitudes = {8, 25, 43, 0};

inline float iq2_unit(float d, int scale) { return d * (0.5f + static_cast<float>(scale)) * 0.25f; }

/// Eight values of point `index`; bit i of `signs`: element i is negative.
inline void decode_iq2_point(const GridPoints& points, int index, int signs, float unit, float* out) {
  const int point = points.packed[static_cast<std::size_t>(index)];
  for (int i = 0; i < 8; ++i)
    out[i] = unit * kIq2Magnitudes[static_cast<std::size_t>(points.code(point, i))] * (signs >> i & 1 ? -1.0f : 1.0f);
}

template <int kGroups>
struct LatticeBlock {
  std::array<LatticeGroup, static_cast<std::size_t>(kGroups)> groups;
  float largest = 0.0f;  ///< scale
};

/// `importance` null: a quarter of the mean square and x^2. `energy_factor` on the mean square of the block.
template <int kGroups>
LatticeBlock<kGroups> fit_iq2_block(const float* x, const float* importance, float energy_factor, const LatticeMethod& method) {
  constexpr int kGroup = kSuper / kGroups;
  LatticeBlock<kGroups> block;
  const float energy = energy_factor * sum_of_squares(group_of(x, 0, kSuper)) / kSuper;
  for (int g = 0; g < kGroups; ++g) {
    const auto group = group_of(x, kGroup * g, kGroup);
    float weights[static_cast<std::size_t>(kGroup)];
    if (importance)
      blend_importance(group, importance + kGroup * g, energy, weights);
    else
      for (std::size_t i = 0; i < group.size(); ++i) weights[i] = 0.25f * energy + group[i] * group[i];
    LatticeGroup& fit = block.groups[static_cast<std::size_t>(g)];
    fit = fit_lattice(group, weights, method);
    block.largest = std::max(block.largest, fit.scale);
  }
  return block;
}

/// Sixteen 4-bit scales, the even group's in the low nibble.
inline void store_iq2_scales(const LatticeBlock<16>& fit, float inverse_d, std::byte* out) {
  for (std::size_t g = 0; g < 16; g += 2)
    out[g / 2] = to_byte(lattice_scale_code(inverse_d, fit.groups[g].scale) |
                         lattice_scale_code(inverse_d, fit.groups[g + 1].scale) << 4);
}

}  // namespace vauban::quant
