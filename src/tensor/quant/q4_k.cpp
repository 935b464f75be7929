// Q4_K: f16 d, f16 dmin, u8 scales[12], u8 qs[128]; eight groups of 32, value = d sc q - dmin m.
#include "tensor/quant/affine_k.h"

namespace vauban::quant {

namespace {
constexpr int kBytes = 144, kQs = 16;
constexpr int kTopCode = 15;
}  // namespace

void decode_q4_k(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kSuper)
    for (int j = 0; j < kSuper / 32; ++j) {
      const AffineGroup group = affine_group(in, j);
      for (int i = 32 * j; i < 32 * (j + 1); ++i)
        out[i] = group.scale * static_cast<float>(load_nibble_pair(in + kQs, i)) - group.minimum;
    }
}

void encode_q4_k(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    AffineBlock block = fit_affine_block(in, kTopCode, {-1.0f, 0.1f, 20});
    store_affine_header(in, kTopCode, block, out);
    store_nibble_pairs(block.codes.data(), out + kQs);
  }
}

void encode_q4_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) {
    AffineBlock block = fit_affine_block_weighted(in, kTopCode, importance);
    store_affine_header(in, kTopCode, block, out);
    store_nibble_pairs(block.codes.data(), out + kQs);
  }
}

}  // namespace vauban::quant
