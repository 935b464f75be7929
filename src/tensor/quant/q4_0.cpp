// Q4_0: f16 d, u8 qs[16]; value = d (q - 8). The extreme value maps to code 0, so its sign is kept exactly.
#include "tensor/quant/weighted_block.h"

namespace vauban::quant {

namespace {
constexpr int kBytes = 18;
}

void decode_q4_0(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kBlock) {
    const float d = load_f16(in);
    for (int j = 0; j < kBlock; ++j) out[j] = static_cast<float>(low_bits(in + 2, j) - 8) * d;
  }
}

void encode_q4_0(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBlock, out += kBytes) {
    const float d = signed_extreme(in) / -8.0f;
    const float scale = inverse(d);
    int codes[kBlock];
    for (int j = 0; j < kBlock; ++j) codes[j] = to_code(in[j] * scale + 8.5f, 15);
    store_f16(out, d);
    store_nibbles(out + 2, codes);
  }
}

void encode_q4_0_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  const float energy = mean_square(in, blocks);
  for (; blocks > 0; --blocks, in += kBlock, importance += kBlock, out += kBytes) {
    const SymmetricBlock fit = fit_symmetric_block(in, 8, importance, energy);
    store_f16(out, fit.scale);
    store_nibbles(out + 2, fit.codes);
  }
}

}  // namespace vauban::quant
