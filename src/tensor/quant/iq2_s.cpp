// IQ2_S: f16 d, u8 qs[32], u8 signs[32], u8 qh[8], u8 scales[8]; per eight weights ten bits of point index (the high two in
// qh) and eight signs, per group of 16 a 4-bit scale; value as IQ2_XXS.
#include "tensor/quant/iq2.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 82, kQs = 2, kSigns = 34, kQh = 66, kScales = 74;
constexpr int kGroup = 16, kGroups = kSuper / kGroup;
constexpr float kStretch = 0.9875f;  // on d: ggml found that it lowers the error

/// `importance` null: see fit_iq2_block.
void encode_blocks(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  const LatticeMethod method{.grid = iq2_s_search(), .candidates = 9, .step = 0.1f, .negligible = 1e-8f,
                             .even_signs = false, .settle = LatticeMethod::Settle::points_off_grid};
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    const auto fit = fit_iq2_block<kGroups>(in, importance, 2.0f, method);
    std::fill_n(out, kBytes, std::byte{0});
    for (int k = 0; k < kSuper / 8; ++k) {
      const LatticeGroup& group = fit.groups[static_cast<std::size_t>(k / 2)];
      const auto at = static_cast<std::size_t>(k % 2);
      if (group.zero) continue;
      out[kQs + k] = to_byte(group.index[at]);
      out[kQh + k / 4] |= to_byte(group.index[at] >> 8 << (2 * (k % 4)));
      out[kSigns + k] = to_byte(group.signs[at]);
    }
    if (importance) importance += kSuper;
    if (fit.largest == 0.0f) continue;
    const float d = fit.largest / 31;
    store_f16(out, d * kStretch);
    store_iq2_scales(fit, 1 / d, out + kScales);
  }
}

}  // namespace

void decode_iq2_s(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes)
    for (int k = 0; k < kSuper / 8; ++k, out += 8) {
      const int index = byte_at(in, kQs + k) | (byte_at(in, kQh + k / 4) >> (2 * (k % 4)) & 3) << 8;
      const int scale = byte_at(in, kScales + k / 4) >> (k % 4 < 2 ? 0 : 4) & 15;
      decode_iq2_point(iq2_s_points, index, byte_at(in, kSigns + k), iq2_unit(load_f16(in), scale), out);
    }
}

void encode_iq2_s(const float* in, std::byte* out, std::int64_t blocks) { encode_blocks(in, out, blocks, nullptr); }

void encode_iq2_s_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  encode_blocks(in, out, blocks, importance);
}

}  // namespace vauban::quant
