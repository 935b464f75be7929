/// How sure a separation is: 95 % percentile bootstrap over the prompts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "evidence/stats/stats.h"

namespace vauban {

struct BootstrapOptions {
  int draws = 1000;  ///< >= 20
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;  ///< a number per quantity that must not share its draws with another, e.g. the layer
};

struct SeparationIntervals {
  std::optional<Bounds> auroc, cohens_d;
};

/// Each group is drawn anew from itself, with replacement, `draws` times; the interval is the 2.5 % and 97.5 % quantile
/// of what the draws give. Both groups are not empty.
/// An interval is empty where it would have no width (groups that never overlap give an AUROC of 1 in every draw: the
/// bootstrap cannot say how sure that is), or where fewer than half of the draws have a value (cohens_d of one prompt).
/// Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
SeparationIntervals bootstrap_separation(std::span<const double> positive, std::span<const double> negative,
                                         const BootstrapOptions& options);

}  // namespace vauban
