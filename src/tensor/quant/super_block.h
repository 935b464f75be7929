/// Pieces that the formats with super-blocks of 256 weights share: packing of codes and of 6-bit scales.
#pragma once

#include <array>
#include <cmath>
#include <cstring>
#include <span>

#include "tensor/quant/codecs.h"
#include "tensor/quant/scale_search.h"

namespace vauban::quant {

inline constexpr int kSuper = 256;

inline int byte_at(const std::byte* in, int i) { return std::to_integer<int>(in[i]); }
inline std::byte to_byte(int value) { return static_cast<std::byte>(value & 0xff); }

template <class Integer>
Integer load_le(const std::byte* in) {
  Integer value;
  std::memcpy(&value, in, sizeof value);
  return value;
}
template <class Integer>
void store_le(std::byte* out, Integer value) {
  std::memcpy(out, &value, sizeof value);
}

/// Elements [begin, begin + n) of a block as a span.
inline std::span<const float> group_of(const float* block, int begin, int n) {
  return {block + begin, static_cast<std::size_t>(n)};
}

/// Two bits per code: in each half of 128, byte l holds elements l, l + 32, l + 64, l + 96 from the low bits up.
template <class Code>
void store_two_bits(const Code* codes, std::byte* out) {
  for (int half = 0; half < kSuper; half += 128)
    for (int l = 0; l < 32; ++l) {
      int byte = 0;
      for (int k = 0; k < 4; ++k) byte |= (codes[half + l + 32 * k] & 3) << (2 * k);
      out[half / 4 + l] = to_byte(byte);
    }
}
inline int load_two_bits(const std::byte* in, int i) {
  return byte_at(in, i / 128 * 32 + i % 32) >> (2 * (i % 128 / 32)) & 3;
}

/// Low nibbles in pairs of groups of 32: byte 32 g + l holds elements 64 g + l (low) and 64 g + l + 32 (high).
inline void store_nibble_pairs(const std::uint8_t* codes, std::byte* out) {
  for (int g = 0; g < kSuper / 64; ++g)
    for (int l = 0; l < 32; ++l)
      out[32 * g + l] = to_byte((codes[64 * g + l] & 15) | (codes[64 * g + l + 32] & 15) << 4);
}
inline int load_nibble_pair(const std::byte* in, int i) {
  const int byte = byte_at(in, i / 64 * 32 + i % 32);
  return i % 64 < 32 ? byte & 15 : byte >> 4;
}

/// Eight 6-bit scales and eight 6-bit minima in 12 bytes (Q4_K, Q5_K; transforms.md 2.2).
struct ScalePair {
  int scale, minimum;
};
inline ScalePair load_scale_pair(const std::byte* in, int j) {
  if (j < 4) return {byte_at(in, j) & 63, byte_at(in, j + 4) & 63};
  return {(byte_at(in, j + 4) & 15) | byte_at(in, j - 4) >> 6 << 4, byte_at(in, j + 4) >> 4 | byte_at(in, j) >> 6 << 4};
}
inline void store_scale_pairs(const std::array<ScalePair, 8>& pairs, std::byte* out) {
  for (int j = 0; j < 4; ++j) {
    const ScalePair& low = pairs[static_cast<std::size_t>(j)];
    const ScalePair& high = pairs[static_cast<std::size_t>(j) + 4];
    out[j] = to_byte(low.scale | high.scale >> 4 << 6);
    out[j + 4] = to_byte(low.minimum | high.minimum >> 4 << 6);
    out[j + 8] = to_byte((high.scale & 15) | (high.minimum & 15) << 4);
  }
}

/// The codes of one group once its scale and minimum are known as stored.
template <class Code>
void requantise(std::span<const float> x, float scale, float minimum, int low, int high, int offset, Code* codes) {
  if (scale == 0.0f) return;  // the codes of the search stay, as in ggml; they decode to the minimum whatever they are
  for (std::size_t i = 0; i < x.size(); ++i)
    codes[i] = static_cast<Code>(clamp_code(nearest((x[i] + minimum) / scale), low, high) + offset);
}

}  // namespace vauban::quant
