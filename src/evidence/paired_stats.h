/// Paired values of one metric -> Stats: which test, which intervals. Internal to the evidence layer.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "evidence/evidence.h"
#include "evidence/stats/stats.h"

namespace vauban {

/// Paired values of one metric in one category, in the order of the pairs.
struct Column {
  std::vector<double> baseline, candidate;
  std::vector<std::int64_t> family;  ///< cluster numbers
};

/// Whether a metric is tested as 0/1 per row: by its declaration, never because the values of a day happen to be 0 and 1. A file may
/// hold averages under the name of a rate; those are not 0/1. Unknown metrics: ratios of which every value of both sides is 0 or 1.
bool is_binary(std::string_view metric, std::string_view unit, const Column& whole);

/// Statistics of candidate - baseline.
Stats paired_stats(const Column& column, bool clustered, bool binary, std::string_view unit);

/// Statistics of a share of pairs: `hits` are 0 or 1, not empty.
Stats share_stats(const std::vector<double>& hits, const std::vector<std::int64_t>& family, bool clustered);

/// Copies the t intervals, where there are any.
void set_intervals(Stats& stats, const MeanTest& test);

}  // namespace vauban
