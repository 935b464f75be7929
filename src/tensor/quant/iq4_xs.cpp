// IQ4_XS: f16 d, u16 scales_h, u8 scales_l[4], u8 qs[128]; eight groups of 32, value = d (sc - 32) * kIq4Values[q]. The low
// four bits of sc in a nibble of scales_l, the high two at bit 2 j of scales_h.
#include "tensor/quant/iq4.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 136, kHigh = 2, kLow = 4, kQs = 8;
constexpr int kGroup = 32, kGroups = kSuper / kGroup;
constexpr int kScaleLevels = 32;

/// `importance` null: weights x^2.
void encode_block(const float* x, const float* importance, std::byte* out) {
  const float energy = sum_of_squares(group_of(x, 0, kSuper)) * (2.0f / kSuper);
  std::array<float, kGroups> scales;
  float largest = 0.0f;
  for (int j = 0; j < kGroups; ++j) {
    const auto group = group_of(x, kGroup * j, kGroup);
    float weights[kGroup];
    iq4_weights(group, importance ? importance + kGroup * j : nullptr, energy, weights);
    const float scale = fit_iq4(group, weights);
    scales[static_cast<std::size_t>(j)] = scale;
    if (std::fabs(scale) > std::fabs(largest)) largest = scale;
  }
  const float d = -largest / kScaleLevels;
  const float inverse_d = inverse(d);
  int high = 0;
  std::array<int, kGroups / 2> low{};
  for (int j = 0; j < kGroups; ++j) {
    const int code = clamp_code(nearest(inverse_d * scales[static_cast<std::size_t>(j)]), -kScaleLevels, kScaleLevels - 1);
    store_iq4_codes(group_of(x, kGroup * j, kGroup), inverse(d * static_cast<float>(code)), out + kQs + 16 * j);
    const int stored = code + kScaleLevels;
    low[static_cast<std::size_t>(j / 2)] |= (stored & 15) << (4 * (j % 2));
    high |= stored >> 4 << (2 * j);
  }
  store_f16(out, d);
  store_le(out + kHigh, static_cast<std::uint16_t>(high));
  for (int i = 0; i < kGroups / 2; ++i) out[kLow + i] = to_byte(low[static_cast<std::size_t>(i)]);
}

}  // namespace

void decode_iq4_xs(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kSuper) {
    const float d = load_f16(in);
    const int high = load_le<std::uint16_t>(in + kHigh);
    for (int j = 0; j < kGroups; ++j) {
      const int scale = (byte_at(in, kLow + j / 2) >> (4 * (j % 2)) & 15) | (high >> (2 * j) & 3) << 4;
      const float unit = d * static_cast<float>(scale - kScaleLevels);
      for (int l = 0; l < kGroup; ++l)
        out[kGroup * j + l] = unit * kIq4Values[static_cast<std::size_t>(low_bits(in + kQs + 16 * j, l))];
    }
  }
}

void encode_iq4_xs(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) encode_block(in, nullptr, out);
}

void encode_iq4_xs_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) encode_block(in, importance, out);
}

}  // namespace vauban::quant
