// Q3_K: u8 hmask[32], u8 qs[64], u8 scales[12], f16 d; 16 groups of 16, value = d (sc - 32) (q - 4), q of three bits: two
// in qs, the high one in bit i / 32 of hmask[i % 32].
#include "tensor/quant/super_block.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 110;
constexpr int kGroup = 16, kGroups = kSuper / kGroup;
constexpr int kLevels = 4, kScaleLevels = 32;
constexpr int kQs = 32, kScales = 96, kD = 108;

/// Scale j has its low four bits in a nibble of byte j % 8 and its high two at bit 2 (j / 4) of byte 8 + j % 4.
int load_scale(const std::byte* in, int j) {
  const int low = j < 8 ? byte_at(in, j) & 15 : byte_at(in, j - 8) >> 4;
  return low | (byte_at(in, 8 + j % 4) >> (2 * (j / 4)) & 3) << 4;
}

void store_scales(const std::array<std::int8_t, kGroups>& codes, std::byte* out) {
  std::array<int, 12> bytes{};
  for (int j = 0; j < kGroups; ++j) {
    const int code = codes[static_cast<std::size_t>(j)];
    bytes[static_cast<std::size_t>(j % 8)] |= (code & 15) << (j < 8 ? 0 : 4);
    bytes[static_cast<std::size_t>(8 + j % 4)] |= code >> 4 << (2 * (j / 4));
  }
  for (int i = 0; i < 12; ++i) out[i] = to_byte(bytes[static_cast<std::size_t>(i)]);
}

/// Scales and d are stored; the codes follow from them.
void store_codes(const float* x, std::array<std::int8_t, kSuper>& codes, std::byte* out) {
  const float d = load_f16(out + kD);
  for (int j = 0; j < kGroups; ++j)
    requantise(group_of(x, kGroup * j, kGroup), d * static_cast<float>(load_scale(out + kScales, j) - kScaleLevels), 0.0f,
               -kLevels, kLevels - 1, kLevels, codes.data() + kGroup * j);
  std::fill_n(out, 32, std::byte{0});
  for (int i = 0; i < kSuper; ++i)
    if (codes[static_cast<std::size_t>(i)] >= kLevels) out[i % 32] |= to_byte(1 << (i / 32));
  store_two_bits(codes.data(), out + kQs);
}

}  // namespace

void decode_q3_k(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kSuper) {
    const float d = load_f16(in + kD);
    for (int i = 0; i < kSuper; ++i) {
      const int high = byte_at(in, i % 32) >> (i / 32) & 1;
      const float scale = d * static_cast<float>(load_scale(in + kScales, i / kGroup) - kScaleLevels);
      out[i] = scale * static_cast<float>(load_two_bits(in + kQs, i) - (high ? 0 : kLevels));
    }
  }
}

void encode_q3_k(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    std::array<std::int8_t, kSuper> codes;
    std::array<float, kGroups> scales;
    for (int j = 0; j < kGroups; ++j)
      scales[static_cast<std::size_t>(j)] =
          fit_symmetric_by_descent(group_of(in, kGroup * j, kGroup), kLevels, codes.data() + kGroup * j);
    float largest = 0.0f;
    for (const float scale : scales)
      if (std::fabs(scale) > std::fabs(largest)) largest = scale;
    std::array<std::int8_t, kGroups> scale_codes{};
    float d = 0.0f;
    if (largest != 0.0f) {
      const float inverse = -static_cast<float>(kScaleLevels) / largest;
      for (std::size_t j = 0; j < scales.size(); ++j) {
        const auto wrapped = static_cast<std::int8_t>(nearest(inverse * scales[j]));  // ggml keeps it in a byte
        scale_codes[j] = static_cast<std::int8_t>(clamp_code(wrapped, -kScaleLevels, kScaleLevels - 1) + kScaleLevels);
      }
      d = 1.0f / inverse;
    }
    store_scales(scale_codes, out + kScales);
    store_f16(out + kD, d);
    store_codes(in, codes, out);
  }
}

void encode_q3_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) {
    std::array<std::int8_t, kSuper> codes;
    std::array<float, kGroups> scales, totals;
    const float energy = 2.0f * sum_of_squares(group_of(in, 0, kSuper)) / kSuper;
    for (int j = 0; j < kGroups; ++j) {
      const auto group = group_of(in, kGroup * j, kGroup);
      float weights[kGroup];
      blend_importance(group, importance + kGroup * j, energy, weights);
      totals[static_cast<std::size_t>(j)] = sum_of(weights);
      scales[static_cast<std::size_t>(j)] = fit_symmetric(group, kLevels, weights, codes.data() + kGroup * j);
    }
    std::array<std::int8_t, kGroups> scale_codes;
    const float d = fit_symmetric(scales, kScaleLevels, totals.data(), scale_codes.data());
    store_scales(scale_codes, out + kScales);
    store_f16(out + kD, d);
    store_codes(in, codes, out);
  }
}

}  // namespace vauban::quant
