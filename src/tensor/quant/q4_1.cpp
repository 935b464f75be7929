// Q4_1: f16 d, f16 m, u8 qs[16]; value = d q + m.
#include "tensor/quant/weighted_block.h"

namespace vauban::quant {

namespace {
constexpr int kBytes = 20;
}

void decode_q4_1(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kBlock) {
    const float d = load_f16(in), m = load_f16(in + 2);
    for (int j = 0; j < kBlock; ++j) out[j] = static_cast<float>(low_bits(in + 4, j)) * d + m;
  }
}

void encode_q4_1(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBlock, out += kBytes) {
    const Range range = range_of(in);
    const float d = (range.high - range.low) / 15.0f;
    const float scale = inverse(d);
    int codes[kBlock];
    for (int j = 0; j < kBlock; ++j) codes[j] = to_code((in[j] - range.low) * scale + 0.5f, 15);
    store_f16(out, d);
    store_f16(out + 2, range.low);
    store_nibbles(out + 4, codes);
  }
}

void encode_q4_1_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  const float energy = mean_square(in, blocks);
  for (; blocks > 0; --blocks, in += kBlock, importance += kBlock, out += kBytes) {
    const MinimumBlock block = fit_affine_32(in, 15, importance, energy);
    store_f16(out, block.fit.scale);
    store_f16(out + 2, -block.fit.minimum);
    store_nibbles(out + 4, block.codes);
  }
}

}  // namespace vauban::quant
