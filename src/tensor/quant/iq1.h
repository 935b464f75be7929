/// What IQ1_S and IQ1_M share: weights of -1, 0, 1, all moved by an eighth up or down, on one set of 2048 points.
#pragma once

#include <algorithm>
#include <limits>

#include "tensor/quant/lattice.h"

namespace vauban::quant {

inline constexpr float kIq1Shift = 0.125f;

/// What codes 0, 1, 2 stand for, in units of the scale.
using TernaryValues = std::array<float, 3>;
inline constexpr TernaryValues kShiftedUp = {-1 + kIq1Shift, kIq1Shift, 1 + kIq1Shift};
inline constexpr TernaryValues kShiftedDown = {-1 - kIq1Shift, -kIq1Shift, 1 - kIq1Shift};

/// Eight values of point `index`.
inline void decode_iq1_point(int index, float unit, bool down, float* out) {
  const int point = iq1_points.packed[static_cast<std::size_t>(index)];
  const float shift = down ? -kIq1Shift : kIq1Shift;
  for (int i = 0; i < 8; ++i) out[i] = unit * (static_cast<float>(iq1_points.code(point, i) - 1) + shift);
}

/// Positions in ascending order of their values, equal ones in order.
template <std::size_t n>
std::array<int, n> ascending(const float* x) {
  std::array<int, n> order;
  for (std::size_t i = 0; i < n; ++i) order[i] = static_cast<int>(i);
  std::stable_sort(order.begin(), order.end(), [x](int a, int b) { return x[a] < x[b]; });
  return order;
}

/// The codes of eight weights as a point: itself where it is one, else the nearest of its neighbours at this scale.
struct Iq1Point {
  int index;
  bool exact;
};
inline Iq1Point find_iq1_point(const std::uint8_t* codes, const float* x, const float* weights, float scale,
                               const TernaryValues& values) {
  const GridSearch& grid = iq1_search();
  int packed = 0;
  for (int i = 0; i < 8; ++i) packed |= codes[i] << (2 * i);
  if (const int index = grid.find(packed); index >= 0) return {index, true};
  const auto neighbours = grid.neighbours(packed);
  int best = neighbours.front();
  float least = std::numeric_limits<float>::max();
  for (const int candidate : neighbours) {
    const int point = grid.packed(candidate);
    float distance = 0;
    for (int i = 0; i < 8; ++i) {
      const float diff = scale * values[static_cast<std::size_t>(iq1_points.code(point, i))] - x[i];
      distance += weights[i] * diff * diff;
    }
    if (distance < least) least = distance, best = candidate;
  }
  return {best, false};
}

/// Adds one point's share of the least-squares sums; `factor` scales the values.
struct Iq1Moments {
  float xq = 0, qq = 0;
  void add(int index, const float* x, const float* weights, const TernaryValues& values, float factor) {
    const int point = iq1_points.packed[static_cast<std::size_t>(index)];
    for (int i = 0; i < 8; ++i) {
      const float q = values[static_cast<std::size_t>(iq1_points.code(point, i))] * factor;
      xq += weights[i] * q * x[i];
      qq += weights[i] * q * q;
    }
  }
};

/// A group's codes: 0 up to `first` in ascending order, 1 up to `second`, 2 behind.
template <std::size_t n>
std::array<std::uint8_t, n> split_codes(const std::array<int, n>& order, int first, int second) {
  std::array<std::uint8_t, n> codes;
  for (std::size_t j = 0; j < n; ++j) {
    const auto at = static_cast<int>(j);
    codes[static_cast<std::size_t>(order[j])] = at < first ? 0 : at < second ? 1 : 2;
  }
  return codes;
}

/// The points of a group's codes; `values(k)` are those of point k. -> the scale, fitted again unless every point is exact.
template <std::size_t n, std::size_t points, class Values>
float settle_iq1_points(const std::array<std::uint8_t, n>& codes, const float* x, const float* weights, float scale,
                        const Values& values, std::array<int, points>& index) {
  bool exact = true;
  for (std::size_t k = 0; k < points; ++k) {
    const Iq1Point point = find_iq1_point(codes.data() + 8 * k, x + 8 * k, weights + 8 * k, scale, values(k));
    index[k] = point.index;
    exact = exact && point.exact;
  }
  if (exact) return scale;
  Iq1Moments sums;
  for (std::size_t k = 0; k < points; ++k) sums.add(index[k], x + 8 * k, weights + 8 * k, values(k), 1.0f);
  return sums.xq > 0 && sums.qq > 0 ? sums.xq / sums.qq : scale;
}

}  // namespace vauban::quant
