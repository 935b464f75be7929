// TQ2_0: u8 qs[64], f16 d; value = d (q - 1), two bits per weight packed as in Q2_K.
#include "tensor/quant/ternary.h"

namespace vauban::quant {

namespace {
constexpr int kBytes = 66, kD = 64;
}

void decode_tq2_0(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kSuper) {
    const float d = load_f16(in + kD);
    for (int i = 0; i < kSuper; ++i) out[i] = static_cast<float>(load_two_bits(in, i) - 1) * d;
  }
}

void encode_tq2_0(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    const TernaryBlock block = fit_ternary(in);
    store_two_bits(block.codes.data(), out);
    store_f16(out + kD, block.scale);
  }
}

}  // namespace vauban::quant
