/// The codecs of formats.cpp, one pair per file, and the few pieces that they share.
///
/// Input must be finite: a NaN or infinity makes its whole block meaningless, as in ggml. Encoders scan 32 values for
/// the scale in f32, store it as f16, and quantise with the unrounded inverse (transforms.md 2.1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tensor/quant/format.h"

namespace vauban::quant {

void decode_q8_0(const std::byte* in, float* out, std::int64_t blocks);
void encode_q8_0(const float* in, std::byte* out, std::int64_t blocks);
void decode_q5_1(const std::byte* in, float* out, std::int64_t blocks);
void encode_q5_1(const float* in, std::byte* out, std::int64_t blocks);
void encode_q5_1_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_q5_0(const std::byte* in, float* out, std::int64_t blocks);
void encode_q5_0(const float* in, std::byte* out, std::int64_t blocks);
void encode_q5_0_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_q4_1(const std::byte* in, float* out, std::int64_t blocks);
void encode_q4_1(const float* in, std::byte* out, std::int64_t blocks);
void encode_q4_1_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_q4_0(const std::byte* in, float* out, std::int64_t blocks);
void encode_q4_0(const float* in, std::byte* out, std::int64_t blocks);
void encode_q4_0_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_q2_k(const std::byte* in, float* out, std::int64_t blocks);
void encode_q2_k(const float* in, std::byte* out, std::int64_t blocks);
void encode_q2_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_q3_k(const std::byte* in, float* out, std::int64_t blocks);
void encode_q3_k(const float* in, std::byte* out, std::int64_t blocks);
void encode_q3_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_q4_k(const std::byte* in, float* out, std::int64_t blocks);
void encode_q4_k(const float* in, std::byte* out, std::int64_t blocks);
void encode_q4_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_q5_k(const std::byte* in, float* out, std::int64_t blocks);
void encode_q5_k(const float* in, std::byte* out, std::int64_t blocks);
void encode_q5_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_q6_k(const std::byte* in, float* out, std::int64_t blocks);
void encode_q6_k(const float* in, std::byte* out, std::int64_t blocks);
void encode_q6_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_q8_k(const std::byte* in, float* out, std::int64_t blocks);
void encode_q8_k(const float* in, std::byte* out, std::int64_t blocks);
void decode_iq2_xxs(const std::byte* in, float* out, std::int64_t blocks);
void encode_iq2_xxs_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_iq2_xs(const std::byte* in, float* out, std::int64_t blocks);
void encode_iq2_xs_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_iq3_xxs(const std::byte* in, float* out, std::int64_t blocks);
void encode_iq3_xxs(const float* in, std::byte* out, std::int64_t blocks);
void encode_iq3_xxs_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_iq1_s(const std::byte* in, float* out, std::int64_t blocks);
void encode_iq1_s_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_iq4_nl(const std::byte* in, float* out, std::int64_t blocks);
void encode_iq4_nl(const float* in, std::byte* out, std::int64_t blocks);
void encode_iq4_nl_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_iq3_s(const std::byte* in, float* out, std::int64_t blocks);
void encode_iq3_s(const float* in, std::byte* out, std::int64_t blocks);
void encode_iq3_s_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_iq2_s(const std::byte* in, float* out, std::int64_t blocks);
void encode_iq2_s(const float* in, std::byte* out, std::int64_t blocks);
void encode_iq2_s_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_iq4_xs(const std::byte* in, float* out, std::int64_t blocks);
void encode_iq4_xs(const float* in, std::byte* out, std::int64_t blocks);
void encode_iq4_xs_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_iq1_m(const std::byte* in, float* out, std::int64_t blocks);
void encode_iq1_m(const float* in, std::byte* out, std::int64_t blocks);
void encode_iq1_m_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance);
void decode_tq1_0(const std::byte* in, float* out, std::int64_t blocks);
void encode_tq1_0(const float* in, std::byte* out, std::int64_t blocks);
void decode_tq2_0(const std::byte* in, float* out, std::int64_t blocks);
void encode_tq2_0(const float* in, std::byte* out, std::int64_t blocks);
void decode_mxfp4(const std::byte* in, float* out, std::int64_t blocks);
void encode_mxfp4(const float* in, std::byte* out, std::int64_t blocks);

inline constexpr int kBlock = 32;

inline float load_f16(const std::byte* in) {
  std::uint16_t bits;
  std::memcpy(&bits, in, sizeof bits);
  return f16_to_f32(bits);
}

inline void store_f16(std::byte* out, float value) {
  const std::uint16_t bits = f32_to_f16(value);
  std::memcpy(out, &bits, sizeof bits);
}

/// 1/d, or 0 for d = 0. Infinite for a tiny subnormal d; to_code() then gives code 0, as x86 does in ggml.
inline float inverse(float d) { return d != 0.0f ? 1.0f / d : 0.0f; }

/// `value` truncated towards zero, at most `limit`; 0 where it fits no small integer.
inline int to_code(float value, int limit) {
  if (!(value > -1000.0f && value < 1000.0f)) return 0;
  return std::min(limit, static_cast<int>(value));
}

/// The value with the largest magnitude, with its sign (the first of equals).
inline float signed_extreme(const float* x) {
  float largest = 0.0f, extreme = 0.0f;
  for (int j = 0; j < kBlock; ++j) {
    const float magnitude = x[j] < 0 ? -x[j] : x[j];
    if (magnitude > largest) largest = magnitude, extreme = x[j];
  }
  return extreme;
}

struct Range {
  float low, high;
};
inline Range range_of(const float* x) {
  Range range{x[0], x[0]};
  for (int j = 1; j < kBlock; ++j) {
    if (x[j] < range.low) range.low = x[j];
    if (x[j] > range.high) range.high = x[j];
  }
  return range;
}

/// Low four bits of element j (low nibble of byte j) and j + 16 (high nibble).
inline int low_bits(const std::byte* nibbles, int j) {
  const int byte = std::to_integer<int>(nibbles[j % 16]);
  return j < 16 ? byte & 15 : byte >> 4;
}

inline void store_nibbles(std::byte* nibbles, const int* codes) {
  for (int j = 0; j < 16; ++j) nibbles[j] = static_cast<std::byte>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
}

/// Fifth bits: bit j of a little-endian u32 belongs to element j.
inline std::uint32_t load_fifth_bits(const std::byte* in) {
  std::uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) bits |= std::to_integer<std::uint32_t>(in[i]) << (8 * i);
  return bits;
}

inline void store_fifth_bits(std::byte* out, const int* codes) {
  std::uint32_t bits = 0;
  for (int j = 0; j < kBlock; ++j) bits |= static_cast<std::uint32_t>(codes[j] >> 4 & 1) << j;
  for (int i = 0; i < 4; ++i) out[i] = static_cast<std::byte>(bits >> (8 * i) & 0xff);
}

}  // namespace vauban::quant
