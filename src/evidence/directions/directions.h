/// Directions that separate two groups of prompts, layer by layer: fitted on one half of the prompts, scored on the
/// other, beside controls that show what the same procedure gives for nothing. A pure function of the activations and
/// the seed.
///
/// Controls (each drawn `controls` times): `random`, a direction of normal components, turned towards the positive rows
/// of the training half; `shuffled`, the whole procedure on permuted labels, in both halves. Stability: cosines between
/// the directions of `bootstraps` resamples of the training half.
///
/// Source: Arditi et al. 2024, arXiv 2406.11717 (difference in means). The length of the difference is never a
/// criterion: it grows with depth (trace-contract section 12, item 6).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "evidence/directions/fit.h"

namespace vauban {

struct DirectionOptions {
  DirectionMethod method = DirectionMethod::mean_difference;
  std::int64_t components = 1;  ///< of pca: rows of the basis
  int controls = 100;           ///< >= 20, of each kind
  int bootstraps = 20;          ///< >= 2
  std::uint64_t seed = 0;
};

/// Fewest prompts of a group: two to fit and two to score.
inline constexpr std::int64_t kFewestPrompts = 4;
/// Below this many held-out prompts of a group the steps of an AUROC are coarse; a note says so.
inline constexpr std::int64_t kFewHeldout = 8;

/// What the controls reached. `low` and `high` are the 2.5 % and 97.5 % quantiles; zeros where draws = 0.
struct ControlBand {
  double mean = 0, low = 0, high = 0;
  int draws = 0;
};
struct Controls {
  ControlBand auroc, cohens_d;
};

struct DirectionScore {
  std::int64_t n_train = 0, n_heldout = 0;  ///< prompts of both groups together
  double auroc = 0;                         ///< held out; above .5 as the direction points to the positive rows
  std::optional<double> cohens_d;           ///< held out; see separation.h for when it is empty
  Controls random, shuffled;
  double stability = 0, stability_low = 0;  ///< mean and 5 % quantile of the cosines
  bool beats_random() const;                ///< AUROC or d above the band, and the other not below its mean
  bool beats_shuffled() const;
};

struct MeasuredDirection {
  int layer = 0;
  FittedDirection fit;  ///< of the training half: the one that was scored
  DirectionScore score;
};

struct LayerActivations {
  int layer = 0;
  ActivationRows positive, negative;
};

struct DirectionReport {
  std::vector<MeasuredDirection> layers;  ///< in the order given, without those in which nothing differs
  std::size_t chosen = 0;                 ///< index: highest held-out AUROC, then largest |d|, then the first
  std::vector<std::string> notes;         ///< what a reader must know before using a direction
};

/// Which prompts are fitted on and which are scored. Equal counts are split alike, so that the i-th prompts of two
/// paired lists stay on one side.
struct Halves {
  RowChoice train, heldout;
};
Halves split_halves(std::int64_t rows, std::uint64_t seed);

/// One layer. Errors: invalid_input for too few rows, widths that differ, NaN or infinities, options out of range, and
/// where the two groups do not differ.
Result<MeasuredDirection> measure_direction(const LayerActivations& data, const DirectionOptions& options);

/// All layers. A layer in which the groups do not differ is left out with a note. Errors: those of measure_direction;
/// invalid_input where no layer is left.
Result<DirectionReport> measure_directions(std::span<const LayerActivations> layers, const DirectionOptions& options);

}  // namespace vauban
