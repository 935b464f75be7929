// IQ4_NL: f16 d, u8 qs[16]; value = d * kIq4Values[q].
#include "tensor/quant/iq4.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 18;

/// `importance` null: weights x^2.
void encode_block(const float* x, const float* importance, std::byte* out) {
  const auto group = group_of(x, 0, kBlock);
  float weights[kBlock];
  iq4_weights(group, importance, sum_of_squares(group) * (2.0f / kBlock), weights);
  const float scale = fit_iq4(group, weights);
  store_f16(out, scale);
  store_iq4_codes(group, inverse(scale), out + 2);
}

}  // namespace

void decode_iq4_nl(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kBlock) {
    const float d = load_f16(in);
    for (int j = 0; j < kBlock; ++j) out[j] = d * kIq4Values[static_cast<std::size_t>(low_bits(in + 2, j))];
  }
}

void encode_iq4_nl(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBlock, out += kBytes) encode_block(in, nullptr, out);
}

void encode_iq4_nl_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  for (; blocks > 0; --blocks, in += kBlock, importance += kBlock, out += kBytes) encode_block(in, importance, out);
}

}  // namespace vauban::quant
