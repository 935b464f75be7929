// IQ1_M: u8 qs[32], u8 qh[16], u16 scales[4]; per eight weights eleven bits of point index (the high three in a nibble of qh)
// and the direction of the shift (the nibble's fourth bit), per group of 16 a 3-bit scale; the f16 d in the top nibbles of
// scales. value = d (2 sc + 1) (code - 1 +- 1/8).
#include "tensor/quant/iq1.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 56, kQh = 32, kScales = 48;
constexpr int kGroup = 16, kGroups = kSuper / kGroup;
constexpr float kNegligibleIq1 = 1e-7f;
constexpr float kStretch = 1.1125f;  // on d: ggml found that it lowers the error

struct Group {
  float scale = 0.0f;
  int shifts = 0;  ///< bit 1: the first eight are shifted down; bit 0: the second
  std::array<int, 2> index{};

  const TernaryValues& values(int k) const { return (shifts >> (1 - k) & 1) != 0 ? kShiftedDown : kShiftedUp; }
};

/// `importance` null: weights x^2.
void weights_of(const float* x, const float* importance, float energy, float* weights) {
  if (importance) return blend_importance({x, kGroup}, importance, energy, weights);
  for (int i = 0; i < kGroup; ++i) weights[i] = x[i] * x[i];
}

/// x q and q^2 of one weight under the four combinations of shifts, for each of its three codes.
struct Shares {
  std::array<float, 4> xq, qq;
};

struct Split {
  int first = -1, second = -1;  ///< ranks at which 0 and 1 begin; -1: none found
  int shifts = 0;
  float scale = 0.0f;
};

/// All splits of the sorted weights into -1, 0, 1. Every sum starts again from the first weight: the order of additions is
/// part of the result.
Split best_split(const float* x, const float* weights, const std::array<int, kGroup>& order) {
  std::array<std::array<Shares, 3>, kGroup> shares;
  for (std::size_t j = 0; j < kGroup; ++j) {
    const int i = order[j];
    for (std::size_t code = 0; code < 3; ++code)
      for (std::size_t s = 0; s < 4; ++s) {
        const bool down = (i < kGroup / 2 ? s >> 1 : s & 1) != 0;
        const float v = (down ? kShiftedDown : kShiftedUp)[code];
        shares[j][code].xq[s] = weights[i] * v * x[i];
        shares[j][code].qq[s] = weights[i] * v * v;
      }
  }
  Split best;
  float score = -std::numeric_limits<float>::max();
  for (int a = 0; a <= kGroup; ++a)
    for (int b = a; b <= kGroup; ++b) {
      Shares sums{};
      for (int j = 0; j < kGroup; ++j) {
        const Shares& share = shares[static_cast<std::size_t>(j)][j < a ? 0 : j < b ? 1 : 2];
        for (std::size_t s = 0; s < 4; ++s) sums.xq[s] += share.xq[s], sums.qq[s] += share.qq[s];
      }
      for (std::size_t s = 0; s < 4; ++s) {
        if (!(sums.qq[s] > 0 && sums.xq[s] * sums.xq[s] > score * sums.qq[s])) continue;
        best = {a, b, static_cast<int>(s), sums.xq[s] / sums.qq[s]};
        score = best.scale * sums.xq[s];
      }
    }
  return best;
}

Group encode_group(const float* x, const float* weights) {
  float largest = 0.0f;
  for (int i = 0; i < kGroup; ++i) largest = std::max(largest, std::fabs(x[i]));
  if (largest < kNegligibleIq1) return {};
  const auto order = ascending<kGroup>(x);
  const Split split = best_split(x, weights, order);
  if (split.first < 0) return {};
  Group group{.scale = split.scale, .shifts = split.shifts};
  auto codes = split_codes(order, split.first, split.second);
  if (group.scale < 0) {
    for (auto& code : codes) code = static_cast<std::uint8_t>(2 - code);
    group.scale = -group.scale;
    group.shifts ^= 3;
  }
  group.scale = settle_iq1_points(codes, x, weights, group.scale, [&](std::size_t k) -> const TernaryValues& { return group.values(static_cast<int>(k)); }, group.index);
  return group;
}

void encode_block(const float* x, const float* importance, std::byte* out) {
  const float energy = 2.0f * sum_of_squares(group_of(x, 0, kSuper)) / kSuper;
  std::array<Group, kGroups> groups;
  float weights[kGroup], largest = 0.0f;
  std::fill_n(out, kBytes, std::byte{0});
  for (int g = 0; g < kGroups; ++g) {
    Group& group = groups[static_cast<std::size_t>(g)];
    weights_of(x + kGroup * g, importance ? importance + kGroup * g : nullptr, energy, weights);
    group = encode_group(x + kGroup * g, weights);
    largest = std::max(largest, group.scale);
    for (int k = 0; k < 2; ++k) out[2 * g + k] = to_byte(group.index[static_cast<std::size_t>(k)]);
    out[kQh + g] = to_byte(group.index[0] >> 8 | group.index[1] >> 8 << 4);
  }
  if (largest == 0.0f) return;
  float d = largest / 15;
  const float inverse_d = 1 / d;
  std::array<int, 4> scales{};
  Iq1Moments sums;  // d once more, with the scales rounded
  for (int g = 0; g < kGroups; ++g) {
    const Group& group = groups[static_cast<std::size_t>(g)];
    const int scale = clamp_code(nearest(0.5f * (inverse_d * group.scale - 1)), 0, 7);
    scales[static_cast<std::size_t>(g / 4)] |= scale << (3 * (g % 4));
    out[kQh + g] |= to_byte((group.shifts >> 1 & 1) << 3 | (group.shifts & 1) << 7);
    weights_of(x + kGroup * g, importance ? importance + kGroup * g : nullptr, energy, weights);
    for (int k = 0; k < 2; ++k)
      sums.add(group.index[static_cast<std::size_t>(k)], x + kGroup * g + 8 * k, weights + 8 * k, group.values(k),
               static_cast<float>(2 * scale + 1));
  }
  if (sums.qq > 0) d = sums.xq / sums.qq;
  const int bits = f32_to_f16(d * kStretch);
  for (int i = 0; i < 4; ++i)
    store_le(out + kScales + 2 * i,
             static_cast<std::uint16_t>(scales[static_cast<std::size_t>(i)] | (bits >> (4 * i) & 15) << 12));
}

}  // namespace

void decode_iq1_m(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes) {
    int bits = 0;
    for (int i = 0; i < 4; ++i) bits |= load_le<std::uint16_t>(in + kScales + 2 * i) >> 12 << (4 * i);
    const float d = f16_to_f32(static_cast<std::uint16_t>(bits));
    for (int k = 0; k < kSuper / 8; ++k, out += 8) {
      const int group = k / 2;
      const int scale = load_le<std::uint16_t>(in + kScales + 2 * (group / 4)) >> (3 * (group % 4)) & 7;
      const int nibble = byte_at(in, kQh + group) >> (4 * (k % 2)) & 15;
      decode_iq1_point(byte_at(in, k) | (nibble & 7) << 8, d * static_cast<float>(2 * scale + 1), (nibble & 8) != 0, out);
    }
  }
}

void encode_iq1_m(const float* in, std::byte* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kSuper, out += kBytes) encode_block(in, nullptr, out);
}

void encode_iq1_m_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) encode_block(in, importance, out);
}

}  // namespace vauban::quant
