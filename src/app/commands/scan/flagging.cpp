#include "app/commands/scan/flagging.h"

#include <algorithm>

#include "evidence/stats/stats.h"

namespace vauban {

Result<Calibration> calibrate(std::span<const double> projections, std::size_t prompts) {
  const Calibration out{
      .mean = mean_of(projections), .std = sample_sd(projections), .prompts = prompts, .tokens = projections.size()};
  if (out.std > 0) return out;
  return with_hint(invalid_input("the {} tokens of the calibration set do not vary along the direction: expected texts "
                                 "from which a deviation can be computed",
                                 projections.size()),
                   "give more, and different, ordinary texts with --calibrate, or a --threshold instead");
}

std::vector<FlaggedRun> flagged_runs(std::span<const double> values, std::span<const std::int64_t> positions,
                                     double threshold) {
  std::vector<FlaggedRun> runs;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] > threshold)) continue;
    const bool goes_on = !runs.empty() && runs.back().last + 1 == i && positions[i - 1] + 1 == positions[i];
    if (!goes_on) runs.push_back({.first = i, .last = i, .peak = values[i], .mean = 0});
    FlaggedRun& run = runs.back();
    run.last = i;
    run.peak = std::max(run.peak, values[i]);
    run.mean += (values[i] - run.mean) / static_cast<double>(run.last - run.first + 1);
  }
  return runs;
}

}  // namespace vauban
