// IQ2_XXS: f16 d, then per group of 32: four u8 point indices, and a u32 with four times seven sign bits and a 4-bit scale on
// top; value = d (0.5 + sc) / 4 * {8, 25, 43} with sign.
#include "tensor/quant/iq2.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 66, kGroup = 32, kGroups = kSuper / kGroup;

}  // namespace

void decode_iq2_xxs(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes)
    for (int g = 0; g < kGroups; ++g) {
      const std::byte* group = in + 2 + 8 * g;
      const auto signs = load_le<std::uint32_t>(group + 4);
      const float unit = iq2_unit(load_f16(in), static_cast<int>(signs >> 28));
      for (int k = 0; k < 4; ++k, out += 8)
        decode_iq2_point(iq2_xxs_points, byte_at(group, k), with_parity(static_cast<int>(signs >> (7 * k) & 127)), unit, out);
    }
}

void encode_iq2_xxs_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  const LatticeMethod method{.grid = iq2_xxs_search(), .candidates = 6, .step = 0.1f,
                             .negligible = kNegligible, .even_signs = true,
                             .settle = LatticeMethod::Settle::always, .start_from_fit = true};
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) {
    const auto fit = fit_iq2_block<kGroups>(in, importance, 1.0f, method);
    std::fill_n(out, kBytes, std::byte{0});
    if (fit.largest == 0.0f) continue;
    const float d = fit.largest / 31;
    store_f16(out, d);
    for (int g = 0; g < kGroups; ++g) {
      const LatticeGroup& group = fit.groups[static_cast<std::size_t>(g)];
      std::uint32_t indices = 0;
      auto signs = static_cast<std::uint32_t>(lattice_scale_code(1 / d, group.scale)) << 28;
      for (std::size_t k = 0; k < 4 && !group.zero; ++k) {
        indices |= static_cast<std::uint32_t>(group.index[k]) << (8 * k);
        signs |= static_cast<std::uint32_t>(group.signs[k] & 127) << (7 * k);
      }
      store_le(out + 2 + 8 * g, indices);
      store_le(out + 6 + 8 * g, signs);
    }
  }
}

}  // namespace vauban::quant
