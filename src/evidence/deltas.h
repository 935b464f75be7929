/// Deltas: paired values -> MetricDelta with its statistics. Internal to the evidence layer.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "evidence/evidence.h"
#include "evidence/metric.h"
#include "evidence/pairing.h"

namespace vauban {

/// Every metric of the rows, per category and overall; the role metrics and the two-row metrics too.
std::vector<MetricDelta> behaviour_deltas(const EvidenceInput& input, const Pairing& pairing, const std::map<std::string, Role>& roles);

/// Divergences of token scores, per category and overall, clustered by family, else by prompt.
std::vector<MetricDelta> token_deltas(const EvidenceInput& input);

/// An empty delta that knows its unit, polarity and needs: the suite's declaration wins over the built-in one.
MetricDelta describe_delta(const std::string& metric, const std::string& category, const Suite* suite);

/// Metric and category.
using TestName = std::pair<std::string, std::string>;
/// The family of tests, sorted: every metric of the rows in every category, and the role metrics. Made of names alone, so it is fixed
/// before a value is looked at. Two-model metrics are decided by their interval and are no members.
std::vector<TestName> declared_tests(const EvidenceInput& input, const Pairing& pairing, const std::map<std::string, Role>& roles);

/// Adjusts p over the family, then decides every verdict.
void decide_verdicts(std::vector<MetricDelta>& deltas, const EvidenceInput& input, bool planned_reached);

/// TOST at 5 %: the 90 % interval lies within the margin around "no difference". The one test of equivalence, of verdicts and gates.
bool equivalent_within(const MetricDelta& delta, double margin);

/// Equivalence margin that the suite declares for a metric.
std::optional<double> margin_of(const Suite* suite, std::string_view metric);

std::vector<GateResult> check_gates(const EvidenceInput& input, const std::vector<MetricDelta>& deltas);

}  // namespace vauban
