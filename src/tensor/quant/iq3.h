/// What IQ3_XXS and IQ3_S share: two points of four weights per eight signs, and the weights of the search.
#pragma once

#include "tensor/quant/lattice.h"

namespace vauban::quant {

inline constexpr int kIq3Group = 32, kIq3Groups = kSuper / kIq3Group;

struct Iq3Block {
  std::array<LatticeGroup, kIq3Groups> groups;
  float largest = 0.0f;  ///< scale
};

/// `importance` null: weights x^2.
inline Iq3Block fit_iq3_block(const float* x, const float* importance, const LatticeMethod& method) {
  Iq3Block block;
  const float energy = 2.0f * sum_of_squares(group_of(x, 0, kSuper)) / kSuper;
  for (int g = 0; g < kIq3Groups; ++g) {
    const auto group = group_of(x, kIq3Group * g, kIq3Group);
    float weights[kIq3Group];
    if (importance)
      blend_importance(group, importance + kIq3Group * g, energy, weights);
    else
      for (std::size_t i = 0; i < kIq3Group; ++i) weights[i] = group[i] * group[i];
    LatticeGroup& fit = block.groups[static_cast<std::size_t>(g)];
    fit = fit_lattice(group, weights, method);
    block.largest = std::max(block.largest, fit.scale);
  }
  return block;
}

/// Four values of point `index`; bit i of `signs`: element i is negative.
inline void decode_iq3_point(const GridPoints& points, int index, int signs, float unit, const std::array<float, 8>& values,
                             float* out) {
  const int point = points.packed[static_cast<std::size_t>(index)];
  for (int i = 0; i < 4; ++i)
    out[i] = unit * values[static_cast<std::size_t>(points.code(point, i))] * (signs >> i & 1 ? -1.0f : 1.0f);
}

}  // namespace vauban::quant
