/// The controls of a measured direction: what it must beat, and how much it moves when the prompts change.
#pragma once

#include "evidence/directions/directions.h"

namespace vauban {

/// Both groups, each split in a training and a held-out half.
struct SplitData {
  LabelledRows rows;
  Halves positive, negative;
};

struct Separation {
  double auroc = 0.5;
  std::optional<double> cohens_d;
};
/// Of the held-out rows on a direction.
Separation heldout_separation(const SplitData& data, std::span<const double> direction);

Controls random_controls(const SplitData& data, const DirectionOptions& options, int layer);
/// Errors: those of fitting, other than groups that do not differ (that draw counts as AUROC .5, d 0).
Result<Controls> shuffled_controls(const SplitData& data, const DirectionOptions& options, int layer);

struct Stability {
  double mean = 0, low = 0;
};
Result<Stability> bootstrap_stability(const SplitData& data, const DirectionOptions& options, int layer);

}  // namespace vauban
