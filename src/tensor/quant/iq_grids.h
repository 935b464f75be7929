/// The point sets of the I formats: a group of eight (or four) weights is stored as the index of one point.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace vauban::quant {

/// A point is its coordinates' codes packed from the low bits up: two bits each in eight dimensions (codes 0 to 2), three
/// bits each in four (codes 0 to 7). What a code stands for is the format's matter.
struct GridPoints {
  std::span<const std::uint16_t> packed;  ///< ascending
  int dimensions;

  constexpr int bits() const { return dimensions == 8 ? 2 : 3; }
  /// Code of coordinate i of a packed point.
  constexpr int code(int point, int i) const { return point >> (bits() * i) & ((1 << bits()) - 1); }
};

extern const GridPoints iq2_xxs_points, iq2_xs_points, iq2_s_points, iq3_xxs_points, iq3_s_points;
extern const GridPoints iq1_points;  ///< IQ1_S and IQ1_M

/// Eight signs in seven bits: the number of minus signs is even, so the eighth follows.
constexpr int with_parity(int seven_bits) {
  int ones = seven_bits;
  ones ^= ones >> 4, ones ^= ones >> 2, ones ^= ones >> 1;
  return seven_bits | (ones & 1) << 7;
}

}  // namespace vauban::quant
