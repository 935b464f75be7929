/// LossScale: keeps small gradients of f16 training from rounding to zero (Micikevicius et al. 2018, arXiv 1710.03740).
#pragma once

#include <algorithm>
#include <cstdint>

namespace vauban {

/// Dynamic where enabled: halves and skips the step when a gradient overflowed, doubles after `kGrowthSteps` good steps.
class LossScale {
 public:
  static constexpr std::int64_t kGrowthSteps = 2000;
  static constexpr double kInitial = 65536.0, kLargest = 65536.0 * 65536.0, kSmallest = 1.0;

  explicit LossScale(bool enabled) : enabled_(enabled), scale_(enabled ? kInitial : 1.0) {}
  bool enabled() const { return enabled_; }
  double value() const { return scale_; }
  std::int64_t good_steps() const { return good_; }
  void restore(double scale, std::int64_t good_steps) {
    scale_ = scale;
    good_ = good_steps;
  }
  void good_step() {
    if (!enabled_ || ++good_ < kGrowthSteps) return;
    scale_ = std::min(kLargest, scale_ * 2.0);
    good_ = 0;
  }
  /// Errors of the caller: with the scale at its smallest there is nothing left to halve.
  bool overflowed() {
    if (!enabled_ || scale_ <= kSmallest) return false;
    scale_ /= 2.0;
    good_ = 0;
    return true;
  }

 private:
  bool enabled_;
  double scale_;
  std::int64_t good_ = 0;
};

}  // namespace vauban
