#include "tensor/quant/affine_k.h"

namespace vauban::quant {
namespace {

constexpr int kGroup = 32, kGroups = kSuper / kGroup;
constexpr int kTopScale = 63;
constexpr int kDMin = 2, kPairs = 4;

struct Fits {
  std::array<float, kGroups> scales, minima;
};

float largest(const std::array<float, kGroups>& values) {
  float high = 0.0f;
  for (const float v : values) high = std::max(high, v);
  return high;
}

/// ggml keeps the code in a byte before it limits it.
int scale_code(float value) { return std::min(kTopScale, static_cast<int>(static_cast<std::uint8_t>(nearest(value)))); }

}  // namespace

AffineBlock fit_affine_block(const float* x, int limit, AffineSearch search) {
  AffineBlock block;
  Fits fits;
  for (int j = 0; j < kGroups; ++j) {
    const auto group = group_of(x, kGroup * j, kGroup);
    const float mean = std::sqrt(sum_of_squares(group) / kGroup);
    float weights[kGroup];
    for (int l = 0; l < kGroup; ++l) weights[l] = mean + std::fabs(group[static_cast<std::size_t>(l)]);
    const AffineFit fit = fit_affine(group, limit, weights, search, block.codes.data() + kGroup * j);
    fits.scales[static_cast<std::size_t>(j)] = fit.scale;
    fits.minima[static_cast<std::size_t>(j)] = fit.minimum;
  }
  const float top_scale = largest(fits.scales), top_minimum = largest(fits.minima);
  constexpr auto kTop = static_cast<float>(kTopScale);
  const float inverse_scale = top_scale > 0 ? kTop / top_scale : 0.0f;
  const float inverse_minimum = top_minimum > 0 ? kTop / top_minimum : 0.0f;
  for (std::size_t j = 0; j < kGroups; ++j)
    block.pairs[j] = {scale_code(inverse_scale * fits.scales[j]), scale_code(inverse_minimum * fits.minima[j])};
  block.d = top_scale / kTop;
  block.dmin = top_minimum / kTop;
  return block;
}

AffineBlock fit_affine_block_weighted(const float* x, int limit, const float* importance) {
  AffineBlock block;
  Fits fits;
  std::array<float, kGroups> totals;
  const float energy = 2.0f * sum_of_squares(group_of(x, 0, kSuper)) / kSuper;
  for (int j = 0; j < kGroups; ++j) {
    const auto group = group_of(x, kGroup * j, kGroup);
    float weights[kGroup];
    blend_importance(group, importance + kGroup * j, energy, weights);
    totals[static_cast<std::size_t>(j)] = sum_of(weights);
    const AffineFit fit = fit_affine(group, limit, weights, {-0.9f, 0.05f, 36}, block.codes.data() + kGroup * j);
    fits.scales[static_cast<std::size_t>(j)] = fit.scale;
    fits.minima[static_cast<std::size_t>(j)] = fit.minimum;
  }
  std::array<std::uint8_t, kGroups> scale_codes, minimum_codes;
  block.d = fit_positive(fits.scales, kTopScale, totals.data(), scale_codes.data());
  block.dmin = fit_positive(fits.minima, kTopScale, totals.data(), minimum_codes.data());
  for (std::size_t j = 0; j < kGroups; ++j)
    block.pairs[j] = {std::min<int>(kTopScale, scale_codes[j]), std::min<int>(kTopScale, minimum_codes[j])};
  return block;
}

void store_affine_header(const float* x, int limit, AffineBlock& block, std::byte* out) {
  store_f16(out, block.d);
  store_f16(out + kDMin, block.dmin);
  store_scale_pairs(block.pairs, out + kPairs);
  for (int j = 0; j < kGroups; ++j) {
    const AffineGroup group = affine_group(out, j);
    requantise(group_of(x, kGroup * j, kGroup), group.scale, group.minimum, 0, limit, 0, block.codes.data() + kGroup * j);
  }
}

AffineGroup affine_group(const std::byte* header, int j) {
  const ScalePair pair = load_scale_pair(header + kPairs, j);
  return {load_f16(header) * static_cast<float>(pair.scale), load_f16(header + kDMin) * static_cast<float>(pair.minimum)};
}

}  // namespace vauban::quant
