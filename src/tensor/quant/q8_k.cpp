// Q8_K: f32 d, i8 qs[256], i16 sums[16] of groups of 16; value = d q. ggml's intermediate for dot products.
#include "tensor/quant/super_block.h"

namespace vauban::quant {

namespace {
constexpr int kBytes = 292, kQs = 4, kSums = 260;
}

void decode_q8_k(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes, out += kSuper) {
    const auto d = load_le<float>(in);
    for (int i = 0; i < kSuper; ++i) out[i] = d * static_cast<float>(std::to_integer<std::int8_t>(in[kQs + i]));
  }
}

void encode_q8_k(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    float extreme = 0.0f;
    for (int i = 0; i < kSuper; ++i)
      if (std::fabs(in[i]) > std::fabs(extreme)) extreme = in[i];
    std::fill_n(out, kBytes, std::byte{0});
    const float inverse = -127.0f / extreme;
    if (extreme == 0.0f || !std::isfinite(inverse)) continue;  // zeros, or too small to have a scale: code 0 everywhere
    store_le(out, 1.0f / inverse);
    std::array<int, kSuper / 16> sums{};
    for (int i = 0; i < kSuper; ++i) {
      const int code = std::min(127, nearest(inverse * in[i]));
      out[kQs + i] = to_byte(code);
      sums[static_cast<std::size_t>(i / 16)] += code;
    }
    for (int j = 0; j < kSuper / 16; ++j)
      store_le(out + kSums + 2 * j, static_cast<std::int16_t>(sums[static_cast<std::size_t>(j)]));
  }
}

}  // namespace vauban::quant
