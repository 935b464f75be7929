// IQ3_S: f16 d, u8 qs[64], u8 qh[8], u8 signs[32], u8 scales[4]; per four weights nine bits of point index (the high one in
// qh), eight signs per eight, per group of 32 a 4-bit scale; value = d (2 sc + 1) (2 code + 1) with sign.
#include "tensor/quant/iq3.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 110, kQs = 2, kQh = 66, kSigns = 74, kScales = 106;
constexpr std::array<float, 8> kMagnitudes = {1, 3, 5, 7, 9, 11, 13, 15};
constexpr float kStretch = 1.033f;  // on d: ggml found that it lowers the error

/// `importance` null: weights x^2.
void encode_blocks(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  const LatticeMethod method{.grid = iq3_s_search(), .candidates = 9, .step = 0.2f, .negligible = 0.0f,
                             .even_signs = false, .settle = LatticeMethod::Settle::all_if_any_off_grid};
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) {
    const Iq3Block fit = fit_iq3_block(in, importance, method);
    if (importance) importance += kSuper;
    std::fill_n(out, kBytes, std::byte{0});
    const float d = fit.largest / 31;
    const float inverse_d = 1 / d;
    if (fit.largest != 0.0f) store_f16(out, d * kStretch);
    for (int g = 0; g < kIq3Groups; ++g) {
      const LatticeGroup& group = fit.groups[static_cast<std::size_t>(g)];
      if (fit.largest != 0.0f)
        out[kScales + g / 2] |= to_byte(lattice_scale_code(inverse_d, group.scale) << (4 * (g % 2)));
      if (group.zero) continue;
      for (int p = 0; p < 8; ++p) {
        const int index = group.index[static_cast<std::size_t>(p)];
        out[kQs + 8 * g + p] = to_byte(index);
        out[kQh + g] |= to_byte(index >> 8 << p);
      }
      for (int k = 0; k < 4; ++k) out[kSigns + 4 * g + k] = to_byte(group.signs[static_cast<std::size_t>(k)]);
    }
  }
}

}  // namespace

void decode_iq3_s(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes)
    for (int p = 0; p < kSuper / 4; ++p, out += 4) {
      const int g = p / 8;
      const int index = byte_at(in, kQs + p) | (byte_at(in, kQh + g) >> (p % 8) & 1) << 8;
      const int scale = byte_at(in, kScales + g / 2) >> (4 * (g % 2)) & 15;
      const int signs = byte_at(in, kSigns + p / 2) >> (4 * (p % 2));
      decode_iq3_point(iq3_s_points, index, signs, load_f16(in) * static_cast<float>(2 * scale + 1), kMagnitudes, out);
    }
}

void encode_iq3_s(const float* in, std::byte* out, std::int64_t blocks) { encode_blocks(in, out, blocks, nullptr); }

void encode_iq3_s_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  encode_blocks(in, out, blocks, importance);
}

}  // namespace vauban::quant
