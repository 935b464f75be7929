// IQ3_XXS: f16 d, u8 qs[64], u32 signs[8]; per four weights a point index, per group of 32 four times seven sign bits and a
// 4-bit scale on top; value = d (0.5 + sc) / 2 * {4, 12, 20, 28, 36, 44, 52, 62} with sign.
#include "tensor/quant/iq3.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 98, kQs = 2, kSigns = 66;
constexpr std::array<float, 8> kMagnitudes = {4, 12, 20, 28, 36, 44, 52, 62};
constexpr float kStretch = 1.0125f;  // on d: ggml found that it lowers the error

/// `importance` null: weights x^2.
void encode_blocks(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  const LatticeMethod method{.grid = iq3_xxs_search(), .candidates = 15, .step = 0.2f,
                             .negligible = 1e-8f, .even_signs = true, .settle = LatticeMethod::Settle::points_off_grid};
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    const Iq3Block fit = fit_iq3_block(in, importance, method);
    if (importance) importance += kSuper;
    std::fill_n(out, kBytes, std::byte{0});
    if (fit.largest == 0.0f) continue;
    const float d = fit.largest / 31;
    store_f16(out, d * kStretch);
    for (int g = 0; g < kIq3Groups; ++g) {
      const LatticeGroup& group = fit.groups[static_cast<std::size_t>(g)];
      auto signs = static_cast<std::uint32_t>(lattice_scale_code(1 / d, group.scale)) << 28;
      if (!group.zero) {
        for (int p = 0; p < 8; ++p) out[kQs + 8 * g + p] = to_byte(group.index[static_cast<std::size_t>(p)]);
        for (std::size_t k = 0; k < 4; ++k) signs |= static_cast<std::uint32_t>(group.signs[k] & 127) << (7 * k);
      }
      store_le(out + kSigns + 4 * g, signs);
    }
  }
}

}  // namespace

void decode_iq3_xxs(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes)
    for (int p = 0; p < kSuper / 4; ++p, out += 4) {
      const auto word = load_le<std::uint32_t>(in + kSigns + 4 * (p / 8));
      const float unit = load_f16(in) * (0.5f + static_cast<float>(word >> 28)) * 0.5f;
      const int signs = with_parity(static_cast<int>(word >> (7 * (p % 8 / 2)) & 127));
      decode_iq3_point(iq3_xxs_points, byte_at(in, kQs + p), signs >> (4 * (p % 2)), unit, kMagnitudes, out);
    }
}

void encode_iq3_xxs(const float* in, std::byte* out, std::int64_t blocks) { encode_blocks(in, out, blocks, nullptr); }

void encode_iq3_xxs_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  encode_blocks(in, out, blocks, importance);
}

}  // namespace vauban::quant
