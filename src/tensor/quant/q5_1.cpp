// Q5_1: f16 d, f16 m, u8 qh[4], u8 qs[16]; value = d q + m.
#include "tensor/quant/weighted_block.h"

namespace vauban::quant {

namespace {
constexpr int kBytes = 24;
}

void decode_q5_1(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kBlock) {
    const float d = load_f16(in), m = load_f16(in + 2);
    const std::uint32_t fifth = load_fifth_bits(in + 4);
    for (int j = 0; j < kBlock; ++j) {
      const int code = low_bits(in + 8, j) | static_cast<int>(fifth >> j & 1) << 4;
      out[j] = static_cast<float>(code) * d + m;
    }
  }
}

void encode_q5_1(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBlock, out += kBytes) {
    const Range range = range_of(in);
    const float d = (range.high - range.low) / 31.0f;
    const float scale = inverse(d);
    int codes[kBlock];
    for (int j = 0; j < kBlock; ++j) codes[j] = to_code((in[j] - range.low) * scale + 0.5f, 31);
    store_f16(out, d);
    store_f16(out + 2, range.low);
    store_fifth_bits(out + 4, codes);
    store_nibbles(out + 8, codes);
  }
}

void encode_q5_1_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  const float energy = mean_square(in, blocks);
  for (; blocks > 0; --blocks, in += kBlock, importance += kBlock, out += kBytes) {
    const MinimumBlock block = fit_affine_32(in, 31, importance, energy);
    store_f16(out, block.fit.scale);
    store_f16(out + 2, -block.fit.minimum);
    store_fifth_bits(out + 4, block.codes);
    store_nibbles(out + 8, block.codes);
  }
}

}  // namespace vauban::quant
