#include <algorithm>
#include <cmath>

#include "evidence/deltas.h"

namespace vauban {
namespace {

/// Fewer independent observations than this decide nothing: with so few, an interval is mostly its assumptions (and a zero-width one,
/// as on exact numerics, is no more than a coincidence of a handful of prompts).
constexpr std::int64_t kFewestClusters = 5;

/// What a gate looks at: the delta of an ordinary metric, the value of a two-model metric.
std::optional<double> value_of(const MetricDelta& delta) { return delta.paired_metric ? delta.value_candidate : delta.delta; }

/// Prompts that would bring the far end of the interval inside the limit, if the estimate stays: width shrinks with 1/sqrt(n).
std::string prompts_needed(const GateResult& gate, const Stats& stats) {
  const double distance = gate.bound == "max" ? gate.limit - *gate.value : *gate.value - gate.limit;
  const double half = (gate.ci->high - gate.ci->low) / 2;
  if (distance <= 0 || half <= 0) return "the estimate itself lies at the limit";
  const auto n = static_cast<double>(stats.clusters);
  const double needed = std::ceil(n * (half / distance) * (half / distance));
  return format("about {:.0f} more {} would decide it if the estimate stays", needed - n, stats.clusters == stats.n ? "pairs" : "prompts or families");
}

void decide_point(GateResult& gate) {
  gate.passed = gate.bound == "max" ? *gate.value <= gate.limit : *gate.value >= gate.limit;
  gate.reason = gate.passed ? "the estimate is within the limit" : "the estimate is beyond the limit";
}

void leave_open(GateResult& gate, std::string reason) {
  gate.decided = false;
  gate.reason = std::move(reason);
}

/// Why no interval may decide; empty when one may.
std::string too_thin(const GateResult& gate, const Stats& stats) {
  if (!gate.ci || !stats.ci90) return format("{} pairs give no interval", stats.n);
  if (stats.clusters >= kFewestClusters) return "";
  return format("only {} independent prompts or families; an interval decides from {} on", stats.clusters, kFewestClusters);
}

void decide_interval(GateResult& gate, const MetricDelta& delta) {
  const bool inside = gate.bound == "max" ? gate.ci->high <= gate.limit : gate.ci->low >= gate.limit;
  const bool outside = gate.bound == "max" ? gate.ci->low > gate.limit : gate.ci->high < gate.limit;
  gate.passed = inside;
  gate.decided = inside || outside;
  gate.reason = inside    ? "the whole interval is within the limit"
                : outside ? "the whole interval is beyond the limit"
                          : "the interval holds the limit: " + prompts_needed(gate, delta.stats);
}

void decide_equivalence(GateResult& gate, const MetricDelta& delta) {
  const double centre = delta.paired_metric ? delta.value_baseline.value_or(0.0) : 0.0;
  gate.passed = equivalent_within(delta, gate.limit);
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
    leave_open(gate, format("there is no delta of '{}' in '{}': a missing delta never passes", spec.metric, spec.category));
    return gate;
  }
  gate.value = value_of(*delta);
  gate.ci = delta->stats.gate_ci;
  if (spec.on == "point")
    decide_point(gate);
  else if (std::string reason = too_thin(gate, delta->stats); !reason.empty())
    leave_open(gate, std::move(reason));
  else if (spec.on == "equivalence")
    decide_equivalence(gate, *delta);
  else
    decide_interval(gate, *delta);
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
