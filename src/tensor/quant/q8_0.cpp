// Q8_0: f16 d, i8 q[32]; value = d q.
#include <cmath>

#include "tensor/quant/codecs.h"

namespace vauban::quant {

namespace {
constexpr int kBytes = 34;
}

void decode_q8_0(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kBlock) {
    const float d = load_f16(in);
    for (int j = 0; j < kBlock; ++j) out[j] = static_cast<float>(std::to_integer<std::int8_t>(in[2 + j])) * d;
  }
}

void encode_q8_0(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBlock, out += kBytes) {
    const float extreme = signed_extreme(in);
    const float d = std::fabs(extreme) / 127.0f;
    const float scale = inverse(d);
    store_f16(out, d);
    for (int j = 0; j < kBlock; ++j)
      out[2 + j] = static_cast<std::byte>(to_code(std::round(in[j] * scale), 127) & 0xff);
  }
}

}  // namespace vauban::quant
