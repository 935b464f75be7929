#include "tensor/quant/iq4.h"

namespace vauban::quant {
namespace {

struct Fit {
  float xq = 0, qq = 0;
};

Fit fit_at(std::span<const float> x, const float* weights, float inverse) {
  Fit sums;
  for (std::size_t j = 0; j < x.size(); ++j) {
    const float q = kIq4Values[static_cast<std::size_t>(nearest_iq4(inverse * x[j]))];
    sums.xq += weights[j] * q * x[j];
    sums.qq += weights[j] * q * q;
  }
  return sums;
}

}  // namespace

int nearest_iq4(float value) {
  constexpr int kLast = 15;
  if (value <= kIq4Values.front()) return 0;
  if (value >= kIq4Values.back()) return kLast;
  // Halving and not std::upper_bound: a NaN must end where ggml's search ends.
  std::size_t low = 0, high = kLast;
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (value < kIq4Values[middle] ? high : low) = middle;
  }
  return static_cast<int>(value - kIq4Values[low] < kIq4Values[high] - value ? low : high);
}

float fit_iq4(std::span<const float> x, const float* weights) {
  constexpr int kTries = 7;
  float extreme = 0.0f;
  for (const float v : x)
    if (std::fabs(v) > std::fabs(extreme)) extreme = v;
  if (std::fabs(extreme) < kNegligible) return 0.0f;
  // First the extreme on the value at the far end, with the sign turned; then on the near one, and around it.
  const float plain = -extreme / kIq4Values.front();
  Fit sums = fit_at(x, weights, 1.0f / plain);
  float scale = sums.qq > 0 ? sums.xq / sums.qq : 0.0f;
  float best = scale * sums.xq;
  for (int step = -kTries; step <= kTries; ++step) {
    sums = fit_at(x, weights, (static_cast<float>(step) + kIq4Values.front()) / extreme);
    if (!(sums.qq > 0 && sums.xq * sums.xq > best * sums.qq)) continue;
    scale = sums.xq / sums.qq;
    best = scale * sums.xq;
  }
  return scale;
}

void iq4_weights(std::span<const float> x, const float* importance, float energy, float* weights) {
  if (importance) return blend_importance(x, importance, energy, weights);
  for (std::size_t j = 0; j < x.size(); ++j) weights[j] = x[j] * x[j];
}

void store_iq4_codes(std::span<const float> x, float inverse, std::byte* out) {
  for (std::size_t j = 0; j < 16; ++j)
    out[j] = to_byte(nearest_iq4(inverse * x[j]) | nearest_iq4(inverse * x[j + 16]) << 4);
}

}  // namespace vauban::quant
