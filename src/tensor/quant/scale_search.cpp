#include "tensor/quant/scale_search.h"

#include <algorithm>
#include <cmath>

namespace vauban::quant {
namespace {

/// The value with the largest magnitude, with its sign (the first of equals); 0 for a group of zeros.
float largest(std::span<const float> x) {
  float magnitude = 0.0f, value = 0.0f;
  for (const float v : x)
    if (std::fabs(v) > magnitude) magnitude = std::fabs(v), value = v;
  return value;
}

/// Sums of one candidate: w x q and w q^2.
struct Moments {
  float xq = 0.0f, qq = 0.0f;
  void add(float w, float x, int q) {
    const auto code = static_cast<float>(q);
    xq += w * x * code;
    qq += w * code * code;
  }
  /// Whether this candidate explains more than a score of `best` (= xq^2 / qq).
  bool beats(float best) const { return qq > 0 && xq * xq > best * qq; }
};

int symmetric_code(float value, int levels) { return clamp_code(nearest(value), -levels, levels - 1); }

}  // namespace

float fit_symmetric(std::span<const float> x, int levels, const float* weights, std::int8_t* codes) {
  const float extreme = largest(x);
  if (std::fabs(extreme) < kNegligible) {
    std::fill_n(codes, x.size(), std::int8_t{0});
    return 0.0f;
  }
  const auto weight = [&](std::size_t i) { return weights ? weights[i] : x[i] * x[i]; };
  const auto store = [&](float inverse) {
    for (std::size_t i = 0; i < x.size(); ++i)
      codes[i] = static_cast<std::int8_t>(levels + symmetric_code(inverse * x[i], levels));
  };
  const auto moments_at = [&](float inverse) {
    Moments sums;
    for (std::size_t i = 0; i < x.size(); ++i) sums.add(weight(i), x[i], symmetric_code(inverse * x[i], levels));
    return sums;
  };
  const auto top = static_cast<float>(levels);
  const float plain = -top / extreme;
  Moments sums = moments_at(plain);
  store(plain);
  float scale = sums.qq != 0.0f ? sums.xq / sums.qq : 0.0f;
  float best = scale * sums.xq;
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const float inverse = -(top + 0.1f * static_cast<float>(step)) / extreme;
    sums = moments_at(inverse);
    if (!sums.beats(best)) continue;
    store(inverse);
    scale = sums.xq / sums.qq;
    best = scale * sums.xq;
  }
  return scale;
}

float fit_symmetric_by_descent(std::span<const float> x, int levels, std::int8_t* codes) {
  const float extreme = largest(x);
  if (std::fabs(extreme) < kNegligible) {
    std::fill_n(codes, x.size(), std::int8_t{0});
    return 0.0f;
  }
  constexpr int kRounds = 5;
  const float inverse = -static_cast<float>(levels) / extreme;
  Moments sums;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const int code = symmetric_code(inverse * x[i], levels);
    codes[i] = static_cast<std::int8_t>(code);
    sums.add(x[i] * x[i], x[i], code);
  }
  bool changed = true;
  for (int round = 0; round < kRounds && changed; ++round) {
    changed = false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float w = x[i] * x[i];
      const auto old = static_cast<float>(codes[i]);
      Moments without{sums.xq - w * x[i] * old, 0.0f};
      if (!(without.xq > 0)) continue;
      without.qq = sums.qq - w * old * old;
      const int code = symmetric_code(x[i] * without.qq / without.xq, levels);
      if (code == codes[i]) continue;
      without.add(w, x[i], code);
      if (without.qq > 0 && without.xq * without.xq * sums.qq > sums.xq * sums.xq * without.qq) {
        codes[i] = static_cast<std::int8_t>(code);
        sums = without;
        changed = true;
      }
    }
  }
  for (std::size_t i = 0; i < x.size(); ++i) codes[i] = static_cast<std::int8_t>(codes[i] + levels);
  return sums.qq > 0.0f ? sums.xq / sums.qq : 0.0f;
}

namespace {

constexpr std::size_t kMaxAffine = 32;

float affine_error(std::span<const float> x, const float* weights, const std::uint8_t* codes, float scale, float low,
                   bool absolute) {
  float error = 0.0f;
  for (std::size_t i = 0; i < x.size(); ++i) {
    float diff = scale * static_cast<float>(codes[i]) + low - x[i];
    diff = absolute ? std::fabs(diff) : diff * diff;
    error += weights[i] * diff;
  }
  return error;
}

void affine_codes(std::span<const float> x, float inverse, float low, int limit, std::uint8_t* codes) {
  for (std::size_t i = 0; i < x.size(); ++i)
    codes[i] = static_cast<std::uint8_t>(clamp_code(nearest(inverse * (x[i] - low)), 0, limit));
}

/// Least squares for scale and low end with the codes fixed; false where it has no solution.
bool solve_affine(std::span<const float> x, const float* weights, const std::uint8_t* codes, float sum_w, float sum_x,
                  float& scale, float& low) {
  float sum_l = 0, sum_l2 = 0, sum_xl = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto l = static_cast<float>(codes[i]);
    const float wl = weights[i] * l;
    sum_l += wl;
    sum_l2 += wl * l;
    sum_xl += wl * x[i];
  }
  const float determinant = sum_w * sum_l2 - sum_l * sum_l;
  if (!(determinant > 0)) return false;
  scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
  low = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
  if (low > 0) {
    low = 0;
    scale = sum_xl / sum_l2;
  }
  return true;
}

}  // namespace

AffineFit fit_affine(std::span<const float> x, int limit, const float* weights, AffineSearch search,
                     std::uint8_t* codes) {
  float low = x[0], high = x[0];
  float sum_w = weights[0], sum_x = sum_w * x[0];
  for (std::size_t i = 1; i < x.size(); ++i) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
    sum_w += weights[i];
    sum_x += weights[i] * x[i];
  }
  if (low > 0) low = 0;
  if (high <= low) {
    std::fill_n(codes, x.size(), std::uint8_t{0});
    return {.scale = 0.0f, .minimum = -low};
  }
  const float range = high - low;
  const auto top = static_cast<float>(limit);
  const float plain = top / range;
  float scale = 1.0f / plain;
  affine_codes(x, plain, low, limit, codes);
  float best = affine_error(x, weights, codes, scale, low, search.absolute_error);
  // A winner's minimum is the one that the following candidates start from.
  std::uint8_t trial[kMaxAffine];
  for (int i = 0; i <= search.steps; ++i) {
    const float inverse = (search.first + search.step * static_cast<float>(i) + top) / (high - low);
    affine_codes(x, inverse, low, limit, trial);
    float trial_scale = 0, trial_low = 0;
    if (!solve_affine(x, weights, trial, sum_w, sum_x, trial_scale, trial_low)) continue;
    const float error = affine_error(x, weights, trial, trial_scale, trial_low, search.absolute_error);
    if (!(error < best)) continue;
    std::copy_n(trial, x.size(), codes);
    best = error;
    scale = trial_scale;
    low = trial_low;
  }
  return {.scale = scale, .minimum = -low};
}

float fit_positive(std::span<const float> x, int limit, const float* weights, std::uint8_t* codes) {
  float high = 0.0f;
  for (const float v : x) high = std::max(high, v);
  if (high < kNegligible) {
    std::fill_n(codes, x.size(), std::uint8_t{0});
    return 0.0f;
  }
  const auto top = static_cast<float>(limit);
  const auto error_at = [&](float inverse, bool clamped) {
    const float scale = 1.0f / inverse;
    float error = 0.0f;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const int code = nearest(inverse * x[i]);
      // The plain candidate keeps the codes in a byte, so a negative value wraps there.
      const auto stored = clamped ? static_cast<float>(std::min(limit, code)) : static_cast<float>(static_cast<std::uint8_t>(code));
      const float diff = x[i] - scale * stored;
      error += weights[i] * diff * diff;
    }
    return error;
  };
  float inverse = top / high;
  float best = error_at(inverse, false);
  for (int step = -4; step <= 4; ++step) {
    if (step == 0) continue;
    const float candidate = (0.1f * static_cast<float>(step) + top) / high;
    const float error = error_at(candidate, true);
    if (error < best) best = error, inverse = candidate;
  }
  Moments sums;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const int code = std::min(limit, nearest(inverse * x[i]));
    codes[i] = static_cast<std::uint8_t>(code);
    sums.add(weights[i], x[i], code);
  }
  constexpr int kRounds = 5;
  bool changed = true;
  for (int round = 0; round < kRounds && changed; ++round) {
    changed = false;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float w = weights[i];
      const auto old = static_cast<float>(codes[i]);
      Moments without{sums.xq - w * x[i] * old, sums.qq - w * old * old};
      if (!(without.xq > 0 && without.qq > 0)) continue;
      const int code = std::min(limit, nearest(x[i] * without.qq / without.xq));
      if (code == codes[i]) continue;
      without.add(w, x[i], code);
      if (without.xq * without.xq * sums.qq > sums.xq * sums.xq * without.qq) {
        codes[i] = static_cast<std::uint8_t>(code);
        sums = without;
        changed = true;
      }
    }
  }
  return sums.qq > 0.0f ? sums.xq / sums.qq : 0.0f;
}

void blend_importance(std::span<const float> x, const float* importance, float energy, float* weights) {
  for (std::size_t i = 0; i < x.size(); ++i) weights[i] = importance[i] * std::sqrt(energy + x[i] * x[i]);
}

float sum_of_squares(std::span<const float> x) {
  float sum = 0.0f;
  for (const float v : x) sum += v * v;
  return sum;
}

float sum_of(std::span<const float> x) {
  float sum = 0.0f;
  for (const float v : x) sum += v;
  return sum;
}

}  // namespace vauban::quant
