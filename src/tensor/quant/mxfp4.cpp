// MXFP4: u8 e, u8 qs[16]; value = 2^(e - 128) * table[q]: OCP E2M1 numbers doubled, so that they are integers, and the E8M0
// scale halved.
#include <array>
#include <bit>
#include <cmath>

#include "tensor/quant/codecs.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 17;
constexpr std::array<float, 16> kValues = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/// 2^(e - 128); the two smallest are subnormal.
float unit_of(int e) {
  const auto exponent = static_cast<std::uint32_t>(e);
  return std::bit_cast<float>(e < 2 ? 0x00200000u << exponent : (exponent - 1) << 23);
}

/// Puts the largest magnitude in the top binade of E2M1 (4 to 6, hence the 2). Below 2^-125 the byte wraps, as in ggml: the
/// unit is then huge and every code 0.
int exponent_of(float largest) {
  if (!(largest > 0.0f)) return 0;
  if (!std::isfinite(largest)) return 254;  // the largest there is
  return (static_cast<int>(std::floor(std::log2(largest))) - 2 + 127) & 0xff;
}

int nearest_code(float value, float unit) {
  std::size_t best = 0;
  float error = std::fabs(kValues[0] * unit - value);
  for (std::size_t i = 1; i < kValues.size(); ++i) {
    const float candidate = std::fabs(kValues[i] * unit - value);
    if (candidate < error) error = candidate, best = i;
  }
  return static_cast<int>(best);
}

}  // namespace

void decode_mxfp4(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kBlock) {
    const float unit = unit_of(std::to_integer<int>(in[0]));
    for (int j = 0; j < kBlock; ++j) out[j] = kValues[static_cast<std::size_t>(low_bits(in + 1, j))] * unit;
  }
}

void encode_mxfp4(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBlock, out += kBytes) {
    const int e = exponent_of(std::fabs(signed_extreme(in)));
    const float unit = unit_of(e);
    int codes[kBlock];
    for (int j = 0; j < kBlock; ++j) codes[j] = nearest_code(in[j], unit);
    out[0] = static_cast<std::byte>(e);
    store_nibbles(out + 1, codes);
  }
}

}  // namespace vauban::quant
