#include <algorithm>
#include <cmath>

#include "evidence/deltas.h"

namespace vauban {
namespace {

/// What a gate looks at: the delta of an ordinary metric, the value of a two-model metric.
std::optional<double> value_of(const MetricDelta& delta) { return delta.paired_metric ? delta.value_candidate : delta.delta; }

/// Prompts that would bring the far end of the interval inside the limit, if the estimate stays: width shrinks with 1/sqrt(n).
std::string prompts_needed(const GateResult& gate, std::int64_t n) {
  const double distance = gate.bound == "max" ? gate.limit - *gate.value : *gate.value - gate.limit;
  const double half = (gate.ci->high - gate.ci->low) / 2;
  if (distance <= 0 || half <= 0) return "the estimate itself lies at the limit";
  const double needed = static_cast<double>(n) * (half / distance) * (half / distance);
  return format("about {:.0f} more pairs would decide it if the estimate stays", std::ceil(needed) - static_cast<double>(n));
}

void decide_point(GateResult& gate) {
  gate.passed = gate.bound == "max" ? *gate.value <= gate.limit : *gate.value >= gate.limit;
  gate.reason = gate.passed ? "the estimate is within the limit" : "the estimate is beyond the limit";
}

void decide_interval(GateResult& gate, std::int64_t n) {
  if (!gate.ci) {
    gate.decided = false;
    gate.reason = format("{} pairs give no interval", n);
    return;
  }
  const bool inside = gate.bound == "max" ? gate.ci->high <= gate.limit : gate.ci->low >= gate.limit;
  const bool outside = gate.bound == "max" ? gate.ci->low > gate.limit : gate.ci->high < gate.limit;
  gate.passed = inside;
  gate.decided = inside || outside;
  gate.reason = inside    ? "the whole interval is within the limit"
                : outside ? "the whole interval is beyond the limit"
                          : "the interval holds the limit: " + prompts_needed(gate, n);
}

void decide_equivalence(GateResult& gate, const MetricDelta& delta) {
  if (!gate.ci || !delta.stats.ci90) {
    gate.decided = false;
    gate.reason = "no interval";
    return;
  }
  const double centre = delta.paired_metric ? delta.value_baseline.value_or(0.0) : 0.0;
  gate.passed = delta.stats.ci90->low - centre > -gate.limit && delta.stats.ci90->high - centre < gate.limit;
  gate.decided = gate.passed || gate.ci->low - centre > gate.limit || gate.ci->high - centre < -gate.limit;
  gate.reason = gate.passed    ? "equivalent: the 90 % interval lies within the margin"
                : gate.decided ? "the whole interval lies outside the margin"
                               : "neither equivalence nor a difference is shown";
}

GateResult check(const SuiteGate& spec, const std::vector<MetricDelta>& deltas) {
  GateResult gate{.id = spec.id, .metric = spec.metric, .category = spec.category, .bound = spec.bound, .on = spec.on,
                  .severity = spec.severity, .description = spec.description, .limit = spec.value};
  const auto delta = std::find_if(deltas.begin(), deltas.end(), [&](const MetricDelta& d) {
    return d.name == spec.metric && d.category == spec.category;
  });
  if (delta == deltas.end() || !value_of(*delta)) {
    gate.decided = false;
    gate.reason = format("there is no delta of '{}' in '{}': a missing delta never passes", spec.metric, spec.category);
    return gate;
  }
  gate.value = value_of(*delta);
  gate.ci = delta->stats.gate_ci;
  if (spec.on == "point")
    decide_point(gate);
  else if (spec.on == "equivalence")
    decide_equivalence(gate, *delta);
  else
    decide_interval(gate, delta->stats.n);
  return gate;
}

}  // namespace

std::vector<GateResult> check_gates(const EvidenceInput& input, const std::vector<MetricDelta>& deltas) {
  std::vector<GateResult> gates;
  if (input.suite)
    for (const SuiteGate& spec : input.suite->gates) gates.push_back(check(spec, deltas));
  return gates;
}

}  // namespace vauban
