#include "evidence/directions/separation_interval.h"

#include <vector>

#include "base/rng.h"
#include "evidence/directions/separation.h"

namespace vauban {
namespace {

void resample(std::span<const double> values, Rng& rng, std::vector<double>& out) {
  out.clear();
  for (std::size_t i = 0; i < values.size(); ++i)
    out.push_back(values[static_cast<std::size_t>(rng.below(values.size()))]);
}

std::optional<Bounds> middle(const std::vector<double>& found, int draws) {
  if (2 * static_cast<std::int64_t>(found.size()) < draws) return std::nullopt;
  const Bounds bounds{.low = quantile_of(found, 0.025), .high = quantile_of(found, 0.975)};
  return bounds.high > bounds.low ? std::optional(bounds) : std::nullopt;
}

}  // namespace

SeparationIntervals bootstrap_separation(std::span<const double> positive, std::span<const double> negative,
                                         const BootstrapOptions& options) {
  Rng rng(options.seed, options.stream);
  std::vector<double> areas, effects, drawn_positive, drawn_negative;
  for (int draw = 0; draw < options.draws; ++draw) {
    resample(positive, rng, drawn_positive);
    resample(negative, rng, drawn_negative);
    areas.push_back(auroc(drawn_positive, drawn_negative));
    if (const auto effect = cohens_d(drawn_positive, drawn_negative)) effects.push_back(*effect);
  }
  return {.auroc = middle(areas, options.draws), .cohens_d = middle(effects, options.draws)};
}

}  // namespace vauban
