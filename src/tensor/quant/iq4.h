/// IQ4_NL and IQ4_XS: four bits that choose one of sixteen fixed values, spaced for bell-shaped weights.
#pragma once

#include <array>

#include "tensor/quant/super_block.h"

namespace vauban::quant {

/// In units of the scale, ascending. Source: kvalues_iq4nl of ggml-common.h (transforms.md 2.1).
inline constexpr std::array<float, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};

/// Index of the nearest value; at a tie the upper one.
int nearest_iq4(float value);

/// The scale of one group of 32, by a search over 15 candidates. `weights` as in scale_search.h.
float fit_iq4(std::span<const float> x, const float* weights);

/// The weights of that search; `importance` null: x^2.
void iq4_weights(std::span<const float> x, const float* importance, float energy, float* weights);

/// Low nibbles of elements j, high nibbles of j + 16.
void store_iq4_codes(std::span<const float> x, float inverse, std::byte* out);

}  // namespace vauban::quant
