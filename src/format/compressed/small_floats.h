/// Floats of eight and four bits. Source: OCP 8-bit Floating Point 1.0 (E4M3: no infinity, S.1111.111 is NaN; E5M2: as IEEE),
/// OCP Microscaling Formats 1.0 (E2M1; E8M0: a power of two, 255 is NaN).
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

namespace vauban {

namespace detail {
inline float small_float(int bits, int mantissa_bits, int bias) {
  const int fraction = bits & ((1 << mantissa_bits) - 1), exponent = (bits & 0x7f) >> mantissa_bits;
  const int whole = exponent == 0 ? fraction : fraction + (1 << mantissa_bits);
  const float value = std::ldexp(static_cast<float>(whole), (exponent == 0 ? 1 : exponent) - bias - mantissa_bits);
  return (bits & 0x80) != 0 ? -value : value;
}
}  // namespace detail

inline float e4m3_to_f32(std::byte byte) {
  const int bits = std::to_integer<int>(byte);
  if ((bits & 0x7f) == 0x7f) return std::numeric_limits<float>::quiet_NaN();
  return detail::small_float(bits, 3, 7);
}

inline float e5m2_to_f32(std::byte byte) {
  const int bits = std::to_integer<int>(byte);
  if ((bits & 0x7f) > 0x7c) return std::numeric_limits<float>::quiet_NaN();
  if ((bits & 0x7f) == 0x7c) return (bits & 0x80) != 0 ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  return detail::small_float(bits, 2, 15);
}

inline float e8m0_to_f32(std::byte byte) {
  const int bits = std::to_integer<int>(byte);
  return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0F, bits - 127);
}

/// The low four bits of `code`.
inline float e2m1_to_f32(unsigned code) {
  static constexpr std::array<float, 16> kValues{0.0F,  0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                                 -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};
  return kValues[code & 15U];
}

/// Element `index` of numbers packed two to a byte, the first in the low half.
inline unsigned low_first_nibble(const std::byte* bytes, std::size_t index) {
  return std::to_integer<unsigned>(bytes[index / 2]) >> (4 * (index % 2)) & 15U;
}

}  // namespace vauban
