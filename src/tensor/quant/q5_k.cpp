// Q5_K: f16 d, f16 dmin, u8 scales[12], u8 qh[32], u8 qs[128]; as Q4_K, the fifth bit of group g in bit g of qh[l].
#include "tensor/quant/affine_k.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 176, kQh = 16, kQs = 48;
constexpr int kTopCode = 31;

void store_codes(const std::array<std::uint8_t, kSuper>& codes, std::byte* out) {
  store_nibble_pairs(codes.data(), out + kQs);
  for (int l = 0; l < 32; ++l) {
    int bits = 0;
    for (int g = 0; g < kSuper / 32; ++g) bits |= (codes[static_cast<std::size_t>(32 * g + l)] >> 4 & 1) << g;
    out[kQh + l] = to_byte(bits);
  }
}

}  // namespace

void decode_q5_k(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kSuper)
    for (int j = 0; j < kSuper / 32; ++j) {
      const AffineGroup group = affine_group(in, j);
      for (int l = 0; l < 32; ++l) {
        const int i = 32 * j + l;
        const int code = load_nibble_pair(in + kQs, i) | (byte_at(in, kQh + l) >> j & 1) << 4;
        out[i] = group.scale * static_cast<float>(code) - group.minimum;
      }
    }
}

void encode_q5_k(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    AffineBlock block = fit_affine_block(in, kTopCode, {-0.5f, 0.1f, 15});
    store_affine_header(in, kTopCode, block, out);
    store_codes(block.codes, out);
  }
}

void encode_q5_k_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) {
    AffineBlock block = fit_affine_block_weighted(in, kTopCode, importance);
    store_affine_header(in, kTopCode, block, out);
    store_codes(block.codes, out);
  }
}

}  // namespace vauban::quant
