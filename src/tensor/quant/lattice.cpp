#include "tensor/quant/lattice.h"

#include <limits>

namespace vauban::quant {

GridSearch::GridSearch(const GridPoints& points, int shells) : points_(points) {
  const int codes = 1 << (points.bits() * points.dimensions);
  index_.assign(static_cast<std::size_t>(codes), -1);
  for (std::size_t i = 0; i < points.packed.size(); ++i) index_[points.packed[i]] = static_cast<std::int16_t>(i);
  begin_.reserve(static_cast<std::size_t>(codes) + 1);
  for (int code = 0; code < codes; ++code) {
    begin_.push_back(static_cast<std::uint32_t>(neighbours_.size()));
    if (find(code) < 0) add_neighbours(code, shells);
  }
  begin_.push_back(static_cast<std::uint32_t>(neighbours_.size()));
}

std::span<const std::uint16_t> GridSearch::neighbours(int code) const {
  const auto i = static_cast<std::size_t>(code);
  return std::span(neighbours_).subspan(begin_[i], begin_[i + 1] - begin_[i]);
}

void GridSearch::add_neighbours(int code, int shells) {
  constexpr int kUnused = 3;  // the fourth value of two bits: no weight has it
  std::array<int, 8> at{};
  for (int i = 0; i < points_.dimensions; ++i) {
    at[static_cast<std::size_t>(i)] = points_.code(code, i);
    if (points_.bits() == 2 && at[static_cast<std::size_t>(i)] == kUnused) return;
  }
  constexpr std::size_t kMaxDistance = 4 * 49;  // four coordinates, seven apart
  std::array<std::vector<std::uint16_t>, kMaxDistance + 1> by_distance;
  for (std::size_t p = 0; p < points_.packed.size(); ++p) {
    int distance = 0;
    for (int i = 0; i < points_.dimensions; ++i) {
      const int apart = points_.code(points_.packed[p], i) - at[static_cast<std::size_t>(i)];
      distance += apart * apart;
    }
    by_distance[static_cast<std::size_t>(distance)].push_back(static_cast<std::uint16_t>(p));
  }
  for (const auto& shell : by_distance) {
    if (shell.empty()) continue;
    neighbours_.insert(neighbours_.end(), shell.begin(), shell.end());
    if (--shells == 0) break;
  }
}

const GridSearch& iq2_xxs_search() {
  static const GridSearch search(iq2_xxs_points, 2);
  return search;
}
const GridSearch& iq2_xs_search() {
  static const GridSearch search(iq2_xs_points, 2);
  return search;
}
const GridSearch& iq2_s_search() {
  static const GridSearch search(iq2_s_points, 1);
  return search;
}
const GridSearch& iq3_xxs_search() {
  static const GridSearch search(iq3_xxs_points, 2);
  return search;
}
const GridSearch& iq3_s_search() {
  static const GridSearch search(iq3_s_points, 3);
  return search;
}
const GridSearch& iq1_search() {
  static const GridSearch search(iq1_points, 3);
  return search;
}

namespace {

constexpr int kMaxGroup = 32;

/// One group while its scale is sought. `codes` of a candidate become `best` when it wins.
class Fit {
 public:
  Fit(std::span<const float> x, const float* weights, const LatticeMethod& method)
      : method_(method), points_(method.grid.points()), n_(static_cast<int>(x.size())), weights_(weights) {
    for (int i = 0; i < n_; ++i) roots_[i] = std::sqrt(weights[i]);
    for (int k = 0; k < n_ / 8; ++k) fold_signs(x.data() + 8 * k, k);
  }

  LatticeGroup run() {
    float largest = folded_[0];
    for (int i = 1; i < n_; ++i) largest = std::max(largest, folded_[i]);
    if (largest < method_.negligible || largest == 0.0f) return {};
    if (!start(largest)) return {};
    try_candidates();
    settle();
    return result();
  }

 private:
  int levels() const { return points_.bits() == 2 ? 3 : 8; }
  int steps() const { return 2 * levels() - 1; }
  int n_points() const { return n_ / points_.dimensions; }

  /// Magnitudes; with even parity, the weight that costs least to flip is flipped where the count is odd.
  void fold_signs(const float* x, int k) {
    float* out = folded_ + 8 * k;
    int signs = 0, minus = 0;
    for (int i = 0; i < 8; ++i) {
      out[i] = x[i] >= 0 ? x[i] : -x[i];
      if (!(x[i] >= 0)) signs |= 1 << i, ++minus;
    }
    if (method_.even_signs && minus % 2 == 1) {
      const float* w = weights_ + 8 * k;
      int cheapest = 0;
      float cost = w[0] * x[0] * x[0];
      for (int i = 1; i < 8; ++i)
        if (const float other = w[i] * x[i] * x[i]; other < cost) cost = other, cheapest = i;
      out[cheapest] = -out[cheapest];
      signs ^= 1 << cheapest;
    }
    group_.signs[static_cast<std::size_t>(k)] = signs;
  }

  /// The plain scale, and what the candidates are measured against.
  bool start(float largest) {
    reach_ = largest;
    group_.scale = largest / static_cast<float>(steps());
    off_grid_.fill(method_.settle == LatticeMethod::Settle::all_if_any_off_grid);
    if (!method_.start_from_fit) return true;
    std::uint8_t codes[kMaxGroup];
    group_.scale = fit_positive({folded_, static_cast<std::size_t>(n_)}, levels() + 1, weights_, codes);
    reach_ = group_.scale * static_cast<float>(levels());
    return reach_ > 0;
  }

  void try_candidates() {
    float best = 0;
    for (int c = -method_.candidates; c <= method_.candidates; ++c) {
      const float inverse = (static_cast<float>(steps()) + static_cast<float>(c) * method_.step) / reach_;
      const float scale = 1 / inverse;
      std::array<int, 8> index;
      std::array<bool, 8> off_grid;
      for (int p = 0; p < n_points(); ++p) {
        const auto at = static_cast<std::size_t>(p);
        const int code = round_point(p, inverse);
        index[at] = method_.grid.find(code);
        off_grid[at] = index[at] < 0;
        if (off_grid[at]) index[at] = nearest_point(p, code, scale);
      }
      const auto [xq, qq] = moments(index);
      if (!(qq > 0 && xq * xq > best * qq)) continue;
      group_.scale = xq / qq;
      best = group_.scale * xq;
      group_.index = index;
      off_grid_ = off_grid;
    }
  }

  /// Points once more, with the scale that won; then the scale once more, with the points that come out.
  void settle() {
    using Settle = LatticeMethod::Settle;
    const bool any = std::find(off_grid_.begin(), off_grid_.begin() + n_points(), true) != off_grid_.begin() + n_points();
    if (!(group_.scale > 0) || !(any || method_.settle == Settle::always)) return;
    const float inverse = 1 / group_.scale;
    for (int p = 0; p < n_points(); ++p) {
      const auto at = static_cast<std::size_t>(p);
      if (method_.settle == Settle::points_off_grid && !off_grid_[at]) continue;
      const int code = round_point(p, inverse);
      const int found = method_.grid.find(code);
      group_.index[at] = found >= 0 ? found : nearest_point(p, code, group_.scale);
    }
    const auto [xq, qq] = moments(group_.index);
    if (qq > 0) group_.scale = xq / qq;
  }

  LatticeGroup result() {
    group_.zero = false;
    if (group_.scale < 0) {  // possible where parity turned a sign; the signs turn with it
      group_.scale = -group_.scale;
      for (int& signs : group_.signs) signs ^= 0xff;
    }
    return group_;
  }

  int round_point(int p, float inverse) const {
    const float* x = folded_ + points_.dimensions * p;
    int code = 0;
    for (int i = 0; i < points_.dimensions; ++i)
      code |= clamp_code(nearest(0.5f * (inverse * x[i] - 1)), 0, levels() - 1) << (points_.bits() * i);
    return code;
  }

  int nearest_point(int p, int code, float scale) const {
    const float* x = folded_ + points_.dimensions * p;
    const float* w = roots_ + points_.dimensions * p;
    const auto neighbours = method_.grid.neighbours(code);
    int best = neighbours.front();
    float least = std::numeric_limits<float>::max();
    for (const int candidate : neighbours) {
      const int point = method_.grid.packed(candidate);
      float distance = 0;
      for (int i = 0; i < points_.dimensions; ++i) {
        const float diff = scale * static_cast<float>(2 * points_.code(point, i) + 1) - x[i];
        distance += w[i] * diff * diff;
      }
      if (distance < least) least = distance, best = candidate;
    }
    return best;
  }

  struct Moments {
    float xq = 0, qq = 0;
  };
  Moments moments(const std::array<int, 8>& index) const {
    Moments sums;
    for (int i = 0; i < n_; ++i) {
      const int point = method_.grid.packed(index[static_cast<std::size_t>(i / points_.dimensions)]);
      const auto q = static_cast<float>(2 * points_.code(point, i % points_.dimensions) + 1);
      sums.xq += weights_[i] * folded_[i] * q;
      sums.qq += weights_[i] * q * q;
    }
    return sums;
  }

  const LatticeMethod& method_;
  const GridPoints& points_;
  const int n_;
  const float* weights_;
  float roots_[kMaxGroup]{};   ///< weights of the distances
  float folded_[kMaxGroup]{};  ///< the weights without their signs
  float reach_ = 0;          ///< what the largest code should reach
  std::array<bool, 8> off_grid_{};
  LatticeGroup group_;
};

}  // namespace

LatticeGroup fit_lattice(std::span<const float> x, const float* weights, const LatticeMethod& method) {
  return Fit(x, weights, method).run();
}

}  // namespace vauban::quant
