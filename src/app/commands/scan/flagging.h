/// Which tokens of a scan stand out, and the stretches that they form. Pure: no model, no files.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

/// Of the tokens of ordinary texts.
struct Calibration {
  double mean = 0, std = 0;
  std::size_t prompts = 0, tokens = 0;
  double z(double projection) const { return (projection - mean) / std; }
};
/// Errors: invalid_input for fewer than two values or values that do not vary.
Result<Calibration> calibrate(std::span<const double> projections, std::size_t prompts);

/// Above what a token is flagged: a projection, or a z-score.
struct FlagRule {
  enum class Of { projection, z } of = Of::projection;
  double threshold = 0;
  std::string_view unit() const { return of == Of::z ? "z" : "projection"; }
};

/// [first, last] into the rows of one text.
struct FlaggedRun {
  std::size_t first = 0, last = 0;
  double peak = 0, mean = 0;  ///< in the unit of the rule
};
/// Longest stretches of neighbouring rows whose value is above the threshold. Rows are neighbours where their positions
/// follow each other. `values` in the unit of the rule.
std::vector<FlaggedRun> flagged_runs(std::span<const double> values, std::span<const std::int64_t> positions,
                                     double threshold);

}  // namespace vauban
