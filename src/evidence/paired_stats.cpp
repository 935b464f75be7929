#include "evidence/paired_stats.h"

#include <algorithm>
#include <cmath>

#include "evidence/metric.h"

namespace vauban {
namespace {

bool all_binary(const std::vector<double>& values) {
  return std::ranges::all_of(values, [](double value) { return value == 0.0 || value == 1.0; });
}

std::vector<double> differences(const Column& column) {
  std::vector<double> d(column.baseline.size());
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = column.candidate[i] - column.baseline[i];
  return d;
}

struct Discordant {
  std::int64_t down = 0, up = 0;
};
Discordant discordant(const std::vector<double>& d) {
  Discordant counts;
  for (const double value : d) {
    counts.down += value < 0;
    counts.up += value > 0;
  }
  return counts;
}

Interval interval(const Bounds& bounds) { return {bounds.low, bounds.high}; }
Bounds with(const std::optional<Bounds>& t, const Bounds& other) { return t ? hull(*t, other) : other; }

/// A t interval of rates is too narrow while few pairs are discordant, and has no width while none is: the adjusted Wald interval
/// joins it. Clusters, not pairs, are the independent observations, so counts are scaled to as many as there are clusters.
void widen_rate(Stats& stats, const Discordant& counts, const MeanTest& test) {
  const auto effective = static_cast<double>(test.error.clusters);
  const double scale = effective / static_cast<double>(test.error.n);
  const double up = static_cast<double>(counts.up) * scale, down = static_cast<double>(counts.down) * scale;
  const Bounds wald = adjusted_wald(up, down, effective, 0.95);
  if (!stats.ci) stats.ci = interval(wald);
  stats.gate_ci = interval(with(test.ci95, wald));
  stats.ci90 = interval(with(test.ci90, adjusted_wald(up, down, effective, 0.90)));
}

/// No pair differed in a metric that is not 0/1. That bounds the share of unseen pairs that differ (adjusted Wald of no discordant
/// pair), and a pair is taken to differ by no more than the largest value seen, or than 1 for a ratio. For decisions only: `ci` stays
/// the t interval, which does not exist.
void bound_unseen(Stats& stats, const Column& column, std::string_view unit) {
  double largest = unit == "ratio" ? 1 : 0;
  for (const auto* values : {&column.baseline, &column.candidate})
    for (const double value : *values) largest = std::max(largest, std::abs(value));
  if (largest == 0) return;
  const auto bound = [&](double confidence) {
    const Bounds share = adjusted_wald(0, 0, static_cast<double>(stats.clusters), confidence);
    return Interval{share.low * largest, share.high * largest};
  };
  stats.gate_ci = bound(0.95);
  stats.ci90 = bound(0.90);
}

/// Where all clusters moved by the same mean there is no t: the exact sign test on whole clusters takes its place.
void sign_test(Stats& stats) {
  stats.test = "clustered_sign";
  stats.p = mcnemar_exact(*stats.estimate < 0 ? stats.clusters : 0, *stats.estimate > 0 ? stats.clusters : 0);
}

void test_rate(Stats& stats, const Discordant& counts, bool clustered) {
  if (clustered) {
    if (!stats.p) sign_test(stats);
    return;
  }
  stats.test = "exact_mcnemar";
  stats.p = mcnemar_exact(counts.down, counts.up);
}

}  // namespace

bool is_binary(std::string_view metric, std::string_view unit, const Column& whole) {
  const Metric* known = find_metric(metric);
  if (known ? !known->binary : unit != "ratio") return false;
  return all_binary(whole.baseline) && all_binary(whole.candidate);
}

void set_intervals(Stats& stats, const MeanTest& test) {
  if (!test.ci95 || !test.ci90) return;
  stats.ci = stats.gate_ci = interval(*test.ci95);
  stats.ci90 = interval(*test.ci90);
}

Stats paired_stats(const Column& column, bool clustered, bool binary, std::string_view unit) {
  const std::vector<double> d = differences(column);
  Stats stats{.test = clustered ? "clustered_t" : "paired_t", .n = static_cast<std::int64_t>(d.size())};
  if (d.empty()) return stats;
  const MeanTest test = t_test(d, clustered ? clustered_se(d, column.family) : plain_se(d));
  const Discordant counts = discordant(d);
  stats.clusters = test.error.clusters;
  stats.estimate = test.estimate;
  stats.p = test.p;
  stats.mde = minimum_detectable_effect(test.error);
  set_intervals(stats, test);
  if (binary) {
    widen_rate(stats, counts, test);
    test_rate(stats, counts, clustered);
  } else if (counts.up + counts.down == 0) {
    bound_unseen(stats, column, unit);
  }
  return stats;
}

Stats share_stats(const std::vector<double>& hits, const std::vector<std::int64_t>& family, bool clustered) {
  const MeanTest test = t_test(hits, clustered ? clustered_se(hits, family) : plain_se(hits));
  Stats stats{.test = clustered ? "clustered_wilson" : "wilson", .estimate = test.estimate, .n = test.error.n,
              .clusters = test.error.clusters};
  if (clustered && test.error.clusters < 2) return stats;  // one family says nothing about another
  const auto effective = static_cast<double>(test.error.clusters);
  const auto bounds = [&](const std::optional<Bounds>& t, double confidence) {
    const Bounds share = wilson(test.estimate * effective, effective, confidence);
    if (!clustered || !t) return interval(share);
    const Bounds both = hull(*t, share);
    return Interval{std::max(0.0, both.low), std::min(1.0, both.high)};
  };
  stats.ci = stats.gate_ci = bounds(test.ci95, 0.95);
  stats.ci90 = bounds(test.ci90, 0.90);
  return stats;
}

}  // namespace vauban
