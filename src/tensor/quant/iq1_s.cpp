// IQ1_S: f16 d, u8 qs[32], u16 qh[8]; per eight weights eleven bits of point index (the high three in qh), per group of 32 a
// 3-bit scale and the direction of the shift; value = d (2 sc + 1) (code - 1 +- 1/8).
#include "tensor/quant/iq1.h"

namespace vauban::quant {

namespace {

constexpr int kBytes = 50, kQs = 2, kQh = 34;
constexpr int kGroup = 32, kGroups = kSuper / kGroup, kPoints = kGroup / 8;
constexpr float kNegligibleIq1 = 1e-12f;
constexpr float kStretch = 1.125f;  // on d: ggml found that it lowers the error

struct Group {
  float scale = 0.0f;
  bool down = false;
  std::array<int, kPoints> index{};
};

/// The split of the sorted weights into -1, 0, 1 with the smallest weighted error, of all splits and both shifts.
struct Split {
  int first = -1, second = -1;  ///< ranks at which 0 and 1 begin; -1: none found
  bool down = false;
  float scale = 0.0f;
};

Split best_split(const float* x, const float* weights, const std::array<int, kGroup>& order) {
  std::array<float, kGroup + 1> sum_x{}, sum_w{};
  for (std::size_t j = 0; j < kGroup; ++j) {
    const int i = order[j];
    sum_x[j + 1] = sum_x[j] + weights[i] * x[i];
    sum_w[j + 1] = sum_w[j] + weights[i];
  }
  Split best;
  float score = -std::numeric_limits<float>::max();
  for (std::size_t a = 0; a <= kGroup; ++a)
    for (std::size_t b = a; b <= kGroup; ++b)
      for (const bool down : {false, true}) {
        const TernaryValues& v = down ? kShiftedDown : kShiftedUp;
        const float xq = (sum_x[a] - sum_x[0]) * v[0] + (sum_x[b] - sum_x[a]) * v[1] + (sum_x[kGroup] - sum_x[b]) * v[2];
        const float qq = (sum_w[a] - sum_w[0]) * v[0] * v[0] + (sum_w[b] - sum_w[a]) * v[1] * v[1] +
                         (sum_w[kGroup] - sum_w[b]) * v[2] * v[2];
        if (!(qq > 0 && xq * xq > score * qq)) continue;
        best = {static_cast<int>(a), static_cast<int>(b), down, xq / qq};
        score = best.scale * xq;
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
  Group group{.scale = split.scale, .down = split.down};
  auto codes = split_codes(order, split.first, split.second);
  if (group.scale < 0) {
    for (auto& code : codes) code = static_cast<std::uint8_t>(2 - code);
    group.scale = -group.scale;
    group.down = !group.down;
  }
  const TernaryValues& values = group.down ? kShiftedDown : kShiftedUp;
  group.scale = settle_iq1_points(codes, x, weights, group.scale, [&](std::size_t) -> const TernaryValues& { return values; }, group.index);
  return group;
}

}  // namespace

void decode_iq1_s(const std::byte* in, float* out, std::int64_t blocks) {
  for (; blocks > 0; --blocks, in += kBytes)
    for (int k = 0; k < kSuper / 8; ++k, out += 8) {
      const int high = load_le<std::uint16_t>(in + kQh + 2 * (k / 4));
      const float unit = load_f16(in) * static_cast<float>(2 * (high >> 12 & 7) + 1);
      decode_iq1_point(byte_at(in, kQs + k) | (high >> (3 * (k % 4)) & 7) << 8, unit, (high & 0x8000) != 0, out);
    }
}

void encode_iq1_s_weighted(const float* in, std::byte* out, std::int64_t blocks, const float* importance) {
  for (; blocks > 0; --blocks, in += kSuper, importance += kSuper, out += kBytes) {
    const float energy = 2.0f * sum_of_squares(group_of(in, 0, kSuper)) / kSuper;
    std::array<Group, kGroups> groups;
    float largest = 0.0f;
    std::fill_n(out, kBytes, std::byte{0});
    for (int g = 0; g < kGroups; ++g) {
      float weights[kGroup];
      blend_importance(group_of(in, kGroup * g, kGroup), importance + kGroup * g, energy, weights);
      groups[static_cast<std::size_t>(g)] = encode_group(in + kGroup * g, weights);
      largest = std::max(largest, groups[static_cast<std::size_t>(g)].scale);
    }
    const float d = largest / 15;
    if (largest != 0.0f) store_f16(out, d * kStretch);
    for (int g = 0; g < kGroups; ++g) {
      const Group& group = groups[static_cast<std::size_t>(g)];
      int high = 0;
      for (int k = 0; k < kPoints; ++k) {
        const int index = group.index[static_cast<std::size_t>(k)];
        out[kQs + kPoints * g + k] = to_byte(index);
        high |= index >> 8 << (3 * k);
      }
      if (largest != 0.0f) {
        const int scale = clamp_code(nearest(0.5f * (1 / d * group.scale - 1)), 0, 7);
        high |= (scale | (group.down ? 8 : 0)) << 12;
      }
      store_le(out + kQh + 2 * g, static_cast<std::uint16_t>(high));
    }
  }
}

}  // namespace vauban::quant
