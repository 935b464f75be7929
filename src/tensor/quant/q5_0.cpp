// Q5_0: f16 d, u8 qh[4], u8 qs[16]; value = d (q - 16).
#include "tensor/quant/weighted_block.h"

namespace vauban::quant {

namespace {
constexpr int kBytes = 22;
}

void decode_q5_0(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kBlock) {
    const float d = load_f16(in);
    const std::uint32_t fifth = load_fifth_bits(in + 2);
    for (int j = 0; j < kBlock; ++j) {
      const int code = low_bits(in + 6, j) | static_cast<int>(fifth >> j & 1) << 4;
      out[j] = static_cast<float>(code - 16) * d;
    }
  }
}

void encode_q5_0(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBlock, out += kBytes) {
    const float d = signed_extreme(in) / -16.0f;
    const float scale = inverse(d);
    int codes[kBlock];
    for (int j = 0; j < kBlock; ++j) codes[j] = to_code(in[j] * scale + 16.5f, 31);
    store_f16(out, d);
    store_fifth_bits(out + 2, codes);
    store_nibbles(out + 6, codes);
  }
}

void encode_q5_0_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  const float energy = mean_square(in, blocks);
  for (; blocks > 0; --blocks, in += kBlock, importance += kBlock, out += kBytes) {
    const SymmetricBlock fit = fit_symmetric_block(in, 16, importance, energy);
    store_f16(out, fit.scale);
    store_fifth_bits(out + 2, fit.codes);
    store_nibbles(out + 6, fit.codes);
  }
}

}  // namespace vauban::quant
