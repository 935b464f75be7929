/// Deltas: paired values -> MetricDelta with its statistics. Internal to the evidence layer.
#pragma once

#include <string>
#include <vector>

#include "evidence/evidence.h"
#include "evidence/metric.h"
#include "evidence/pairing.h"
#include "evidence/stats/stats.h"

namespace vauban {

/// Every metric of the rows, per category and overall; the role metrics and the two-row metrics too.
std::vector<MetricDelta> behaviour_deltas(const EvidenceInput& input, const Pairing& pairing, const std::map<std::string, Role>& roles);

/// Divergences of token scores, per category and overall, clustered by prompt.
std::vector<MetricDelta> token_deltas(const EvidenceInput& input);

/// An empty delta that knows its unit, polarity and needs: the suite's declaration wins over the built-in one.
MetricDelta describe_delta(const std::string& metric, const std::string& category, const Suite* suite);

void set_intervals(Stats& stats, const MeanTest& test);

/// Adjusts p over the family, then decides every verdict.
void decide_verdicts(std::vector<MetricDelta>& deltas, const EvidenceInput& input, bool planned_reached);

/// Equivalence margin that the suite declares for a metric.
std::optional<double> margin_of(const Suite* suite, std::string_view metric);

std::vector<GateResult> check_gates(const EvidenceInput& input, const std::vector<MetricDelta>& deltas);

}  // namespace vauban
