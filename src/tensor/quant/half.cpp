// binary16 and bfloat16 in integer arithmetic: the same bits on every machine, no F16C needed.
#include <bit>

#include "tensor/quant/format.h"

namespace vauban {

namespace {

constexpr std::uint32_t kF32Infinity = 0x7f800000;

/// `value` shifted right by `shift` bits (1 to 31), to nearest, ties to even.
constexpr std::uint32_t shift_right_rounded(std::uint32_t value, int shift) {
  const std::uint32_t kept = value >> shift;
  const std::uint32_t half = std::uint32_t{1} << (shift - 1);
  const std::uint32_t rest = value & ((half << 1) - 1);
  return kept + (rest > half || (rest == half && (kept & 1)) ? 1 : 0);
}

}  // namespace

float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1f;
  const std::uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | kF32Infinity | mantissa << 13 | (mantissa ? 0x400000 : 0));
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal, or zero: exact in f32
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

std::uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000;
  const std::uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > kF32Infinity) return static_cast<std::uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return static_cast<std::uint16_t>(sign | 0x7c00);  // >= 65520 rounds to infinity
  if (magnitude < 0x33000000) return static_cast<std::uint16_t>(sign);            // < 2^-25 rounds to zero
  const int exponent = static_cast<int>(magnitude >> 23) - 112;                   // biased for binary16
  if (exponent >= 1) return static_cast<std::uint16_t>(sign | shift_right_rounded(magnitude - (112u << 23), 13));
  const std::uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;
  return static_cast<std::uint16_t>(sign | shift_right_rounded(mantissa, 14 - exponent));
}

float bf16_to_f32(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

std::uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffff) > kF32Infinity) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>(shift_right_rounded(bits, 16));
}

}  // namespace vauban
