// Q2_K: u8 scales[16], u8 qs[64], f16 d, f16 dmin; 16 groups of 16, value = d (sc & 15) q - dmin (sc >> 4).
#include "tensor/quant/super_block.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 84;
constexpr int kGroup = 16, kGroups = kSuper / kGroup;
constexpr int kTopCode = 3, kTopScale = 15;

struct Groups {
  std::array<float, kGroups> scales, minima;
  std::array<int, kGroups> scale_codes, minimum_codes;
  std::array<std::uint8_t, kSuper> codes;
  float d = 0, dmin = 0;
};

/// The codes of scales or minima: all over the largest.
float share_of_largest(const std::array<float, kGroups>& values, std::array<int, kGroups>& codes) {
  float high = 0.0f;
  for (const float v : values) high = std::max(high, v);
  codes.fill(0);
  if (!(high > 0)) return 0.0f;
  const float inverse = static_cast<float>(kTopScale) / high;
  for (std::size_t j = 0; j < codes.size(); ++j) codes[j] = nearest(inverse * values[j]);
  return high / static_cast<float>(kTopScale);
}

void search_by_magnitude(const float* x, Groups& g) {
  for (int j = 0; j < kGroups; ++j) {
    const auto group = group_of(x, kGroup * j, kGroup);
    float weights[kGroup];
    for (int l = 0; l < kGroup; ++l) weights[l] = std::fabs(group[static_cast<std::size_t>(l)]);
    const AffineFit fit = fit_affine(group, kTopCode, weights, {-0.5f, 0.1f, 15, true}, g.codes.data() + kGroup * j);
    g.scales[static_cast<std::size_t>(j)] = fit.scale;
    g.minima[static_cast<std::size_t>(j)] = fit.minimum;
  }
  g.d = share_of_largest(g.scales, g.scale_codes);
  g.dmin = share_of_largest(g.minima, g.minimum_codes);
}

float fit_scales(const std::array<float, kGroups>& values, const float* weights, std::array<int, kGroups>& codes) {
  std::array<std::uint8_t, kGroups> bytes;
  const float scale = fit_positive(values, kTopScale, weights, bytes.data());
  for (std::size_t j = 0; j < codes.size(); ++j) codes[j] = bytes[j];
  return scale;
}

void search_by_importance(const float* x, const float* importance, Groups& g) {
  const float energy = sum_of_squares(group_of(x, 0, kSuper)) / kSuper;
  float totals[kGroups];
  for (int j = 0; j < kGroups; ++j) {
    const auto group = group_of(x, kGroup * j, kGroup);
    float weights[kGroup];
    blend_importance(group, importance + kGroup * j, energy, weights);
    totals[j] = sum_of(weights);
    const AffineFit fit = fit_affine(group, kTopCode, weights, {-0.9f, 0.05f, 36}, g.codes.data() + kGroup * j);
    g.scales[static_cast<std::size_t>(j)] = fit.scale;
    g.minima[static_cast<std::size_t>(j)] = fit.minimum;
  }
  g.d = fit_scales(g.scales, totals, g.scale_codes);
  g.dmin = fit_scales(g.minima, totals, g.minimum_codes);
}

void store(const float* x, Groups& g, std::byte* out) {
  store_f16(out + 80, g.d);
  store_f16(out + 82, g.dmin);
  const float d = load_f16(out + 80), dmin = load_f16(out + 82);
  for (int j = 0; j < kGroups; ++j) {
    const auto scale = static_cast<float>(g.scale_codes[static_cast<std::size_t>(j)] & 15);
    const auto minimum = static_cast<float>(g.minimum_codes[static_cast<std::size_t>(j)] & 15);
    out[j] = to_byte(static_cast<int>(scale) | static_cast<int>(minimum) << 4);
    requantise(group_of(x, kGroup * j, kGroup), d * scale, dmin * minimum, 0, kTopCode, 0, g.codes.data() + kGroup * j);
  }
  store_two_bits(g.codes.data(), out + 16);
}

}  // namespace

void decode_q2_k(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kSuper) {
    const float d = load_f16(in + 80), dmin = load_f16(in + 82);
    for (int i = 0; i < kSuper; ++i) {
      const int pair = byte_at(in, i / kGroup);
      out[i] = d * static_cast<float>(pair & 15) * static_cast<float>(load_two_bits(in + 16, i)) -
               dmin * static_cast<float>(pair >> 4);
    }
  }
}

void encode_q2_k(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    Groups g;
    search_by_magnitude(in, g);
    store(in, g, out);
  }
}

void encode_q2_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) {
    Groups g;
    search_by_importance(in, importance, g);
    store(in, g, out);
  }
}

}  // namespace vauban::quant
