/// Searches for the scale (and minimum) of one group of weights: what the encoders of K, I and weighted types share.
///
/// All minimise a weighted squared error  sum w_i (x_i - value(code_i))^2  over a few candidate scales; `weights` come from
/// an importance matrix or from the magnitudes. Every sum runs in index order in f32 and every tie keeps the earlier
/// candidate, because the result has to be ggml's bit for bit (built without fused multiply-add, see tensor/CMakeLists.txt).
/// Source of the searches: ggml-quants.c (make_qx_quants, make_q3_quants, make_qkx3_quants, make_qp_quants).
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace vauban::quant {

/// Groups whose largest magnitude is below this count as zero.
inline constexpr float kNegligible = 1e-15f;

/// `value` to the nearest integer, ties to even, by the mantissa of value + 1.5 * 2^23. Exact for |value| < 2^22; beyond
/// that some number of 23 bits, never undefined: 0 for NaN, -2^22 for infinity. Encoders clamp what comes out.
inline int nearest(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value + 12582912.0f);
  return static_cast<int>(bits & 0x007fffff) - 0x00400000;
}

inline int clamp_code(int code, int low, int high) { return code < low ? low : code > high ? high : code; }

/// x ~ scale * (code - levels), code in [0, 2 * levels). `weights` null: x^2. A negligible group gets code 0, scale 0.
float fit_symmetric(std::span<const float> x, int levels, const float* weights, std::int8_t* codes);

/// The same by coordinate descent on the codes, weights x^2: Q3_K without an importance matrix.
float fit_symmetric_by_descent(std::span<const float> x, int levels, std::int8_t* codes);

struct AffineFit {
  float scale = 0.0f;
  float minimum = 0.0f;  ///< subtracted, never negative: x ~ scale * code - minimum
};
/// Candidate inverse scales are (first + step * i + limit) / (max - min), i in [0, steps].
struct AffineSearch {
  float first, step;
  int steps;
  bool absolute_error = false;  ///< |diff| instead of diff^2
};
/// x ~ scale * code - minimum, code in [0, limit]; groups have at most 32 elements.
AffineFit fit_affine(std::span<const float> x, int limit, const float* weights, AffineSearch search, std::uint8_t* codes);

/// x ~ scale * code for x >= 0, code in [0, limit].
float fit_positive(std::span<const float> x, int limit, const float* weights, std::uint8_t* codes);

/// weights[i] = importance[i] * sqrt(energy + x[i]^2): how an importance matrix enters a search.
void blend_importance(std::span<const float> x, const float* importance, float energy, float* weights);

float sum_of_squares(std::span<const float> x);
float sum_of(std::span<const float> x);

}  // namespace vauban::quant
