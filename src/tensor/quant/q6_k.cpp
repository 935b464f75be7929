// Q6_K: u8 ql[128], u8 qh[64], i8 scales[16], f16 d; 16 groups of 16, value = d sc (q - 32). In each half of 128, element
// l + 32 k has its low bits in a nibble of ql[l + 32 (k % 2)] (high nibble for k >= 2) and its high two in qh[l] at 2 k.
#include "tensor/quant/super_block.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 210, kQh = 128, kScales = 192, kD = 208;
constexpr int kGroup = 16, kGroups = kSuper / kGroup;
constexpr int kLevels = 32;

void store_codes(const std::array<std::int8_t, kSuper>& codes, std::byte* out) {
  for (int half = 0; half < 2; ++half)
    for (int l = 0; l < 32; ++l) {
      int q[4];
      for (int k = 0; k < 4; ++k) q[k] = codes[static_cast<std::size_t>(128 * half + l + 32 * k)];
      out[64 * half + l] = to_byte((q[0] & 15) | (q[2] & 15) << 4);
      out[64 * half + l + 32] = to_byte((q[1] & 15) | (q[3] & 15) << 4);
      out[kQh + 32 * half + l] = to_byte(q[0] >> 4 | q[1] >> 4 << 2 | q[2] >> 4 << 4 | q[3] >> 4 << 6);
    }
}

int load_code(const std::byte* in, int i) {
  const int half = i / 128, k = i % 128 / 32, l = i % 32;
  const int nibbles = byte_at(in, 64 * half + l + 32 * (k % 2));
  const int high = byte_at(in, kQh + 32 * half + l) >> (2 * k) & 3;
  return (k < 2 ? nibbles & 15 : nibbles >> 4) | high << 4;
}

/// `importance` null: weights x^2.
void encode_block(const float* x, const float* importance, std::byte* out) {
  std::array<std::int8_t, kSuper> codes;
  std::array<float, kGroups> scales;
  float largest = 0.0f;
  for (int j = 0; j < kGroups; ++j) {
    const float* weights = importance ? importance + kGroup * j : nullptr;
    const float scale = fit_symmetric(group_of(x, kGroup * j, kGroup), kLevels, weights, codes.data() + kGroup * j);
    scales[static_cast<std::size_t>(j)] = scale;
    if (std::fabs(scale) > std::fabs(largest)) largest = scale;
  }
  if (std::fabs(largest) < kNegligible) {
    std::fill_n(out, kBytes, std::byte{0});
    return;
  }
  const float inverse = -128.0f / largest;
  store_f16(out + kD, 1.0f / inverse);
  const float d = load_f16(out + kD);
  for (int j = 0; j < kGroups; ++j) {
    const int code = std::min(127, nearest(inverse * scales[static_cast<std::size_t>(j)]));
    out[kScales + j] = to_byte(code);
    requantise(group_of(x, kGroup * j, kGroup), d * static_cast<float>(static_cast<std::int8_t>(code)), 0.0f, -kLevels,
               kLevels - 1, kLevels, codes.data() + kGroup * j);
  }
  store_codes(codes, out);
}

}  // namespace

void decode_q6_k(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kSuper) {
    const float d = load_f16(in + kD);
    for (int i = 0; i < kSuper; ++i) {
      const auto scale = static_cast<float>(std::to_integer<std::int8_t>(in[kScales + i / kGroup]));
      out[i] = d * scale * static_cast<float>(load_code(in, i) - kLevels);
    }
  }
}

void encode_q6_k(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) encode_block(in, nullptr, out);
}

void encode_q6_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) encode_block(in, importance, out);
}

}  // namespace vauban::quant
