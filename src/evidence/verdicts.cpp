#include <algorithm>
#include <cmath>

#include "evidence/deltas.h"
#include "evidence/stats/stats.h"

namespace vauban {
namespace {

/// How far the near end of the interval lies from "no difference", on the side where a difference would be.
double near_end(const MetricDelta& delta) {
  if (!delta.stats.ci || !delta.value_baseline) return 0;
  const double low = delta.stats.ci->low - *delta.value_baseline, high = delta.stats.ci->high - *delta.value_baseline;
  if (low > 0) return low;
  return high < 0 ? -high : 0;
}

bool changed(const MetricDelta& delta) {
  const double floor = delta.noise_floor.value_or(0.0);
  if (delta.paired_metric) return delta.stats.ci && near_end(delta) > floor;
  return delta.delta && delta.stats.p_adjusted && *delta.stats.p_adjusted < 0.05 && std::abs(*delta.delta) > floor;
}

bool equivalent(const MetricDelta& delta, std::optional<double> margin) { return margin && equivalent_within(delta, *margin); }

/// Drawn answers differ between two runs of one model, and so may greedy ones where bits depend on the batch: without
/// the metric's noise floor a flip says nothing about the models.
bool may_be_chance(const MetricDelta& delta, const EvidenceInput& input) {
  const bool repeatable = !input.sampled && input.invariant_bits;
  return !repeatable && !delta.noise_floor && (delta.name == "flip_rate" || delta.name == "identical_output_rate");
}

Verdict verdict_of(const MetricDelta& delta, const EvidenceInput& input, bool planned_reached) {
  if (!delta.delta) return Verdict::inconclusive;
  if (changed(delta)) return may_be_chance(delta, input) ? Verdict::inconclusive : Verdict::changed;
  if (equivalent(delta, margin_of(input.suite, delta.name))) return Verdict::equivalent;
  const bool no_interval_says_otherwise = delta.stats.ci || std::abs(*delta.delta) <= delta.noise_floor.value_or(0.0);
  return planned_reached && no_interval_says_otherwise ? Verdict::within_mde : Verdict::inconclusive;
}

/// Holm over every test of the family that has a p value.
void adjust(std::vector<MetricDelta>& deltas) {
  std::vector<double> p;
  for (const MetricDelta& delta : deltas)
    if (delta.stats.p) p.push_back(*delta.stats.p);
  const std::vector<double> adjusted = holm(p);
  std::size_t next = 0;
  for (MetricDelta& delta : deltas)
    if (delta.stats.p) delta.stats.p_adjusted = adjusted[next++];
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::changed: return "changed";
    case Verdict::equivalent: return "equivalent";
    case Verdict::within_mde: return "within_mde";
    case Verdict::inconclusive: return "inconclusive";
  }
  return "inconclusive";
}

bool equivalent_within(const MetricDelta& delta, double margin) {
  if (!delta.stats.ci90 || !delta.value_baseline) return false;
  const double centre = delta.paired_metric ? *delta.value_baseline : 0.0;
  return delta.stats.ci90->low - centre > -margin && delta.stats.ci90->high - centre < margin;
}

std::optional<double> margin_of(const Suite* suite, std::string_view metric) {
  if (suite)
    for (const SuiteMetric& spec : suite->metrics)
      if (spec.name == metric) return spec.margin;
  return std::nullopt;
}

void decide_verdicts(std::vector<MetricDelta>& deltas, const EvidenceInput& input, bool planned_reached) {
  adjust(deltas);
  for (MetricDelta& delta : deltas) {
    if (const auto floor = input.noise_floors.find(delta.name); floor != input.noise_floors.end()) delta.noise_floor = floor->second;
    delta.verdict = verdict_of(delta, input, planned_reached);
  }
}

}  // namespace vauban
