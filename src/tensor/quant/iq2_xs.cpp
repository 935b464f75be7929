// IQ2_XS: f16 d, u16 qs[32], u8 scales[8]; per eight weights nine bits of point index and seven of signs, per group of 16 a
// 4-bit scale; value as IQ2_XXS.
#include "tensor/quant/iq2.h"

namespace vauban::quant {

namespace {
constexpr int kBytes = 74, kScales = 66;
constexpr int kGroup = 16, kGroups = kSuper / kGroup;
}  // namespace

void decode_iq2_xs(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes)
    for (int k = 0; k < kSuper / 8; ++k, out += 8) {
      const int word = load_le<std::uint16_t>(in + 2 + 2 * k);
      const int scale = byte_at(in, kScales + k / 4) >> (k % 4 < 2 ? 0 : 4) & 15;
      decode_iq2_point(iq2_xs_points, word & 511, with_parity(word >> 9), iq2_unit(load_f16(in), scale), out);
    }
}

void encode_iq2_xs_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  const LatticeMethod method{.grid = iq2_xs_search(), .candidates = 9, .step = 0.1f,
                             .negligible = kNegligible, .even_signs = true,
                             .settle = LatticeMethod::Settle::points_off_grid};
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) {
    const auto fit = fit_iq2_block<kGroups>(in, importance, 1.0f, method);
    std::fill_n(out, kBytes, std::byte{0});
    if (fit.largest == 0.0f) continue;
    const float d = fit.largest / 31;
    store_f16(out, d);
    for (int k = 0; k < kSuper / 8; ++k) {
      const LatticeGroup& group = fit.groups[static_cast<std::size_t>(k / 2)];
      const auto at = static_cast<std::size_t>(k % 2);
      if (!group.zero) store_le(out + 2 + 2 * k, static_cast<std::uint16_t>(group.index[at] | (group.signs[at] & 127) << 9));
    }
    store_iq2_scales(fit, 1 / d, out + kScales);
  }
}

}  // namespace vauban::quant
