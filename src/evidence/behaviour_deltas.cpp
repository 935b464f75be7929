#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "evidence/deltas.h"
#include "evidence/paired_stats.h"

namespace vauban {
namespace {

using ValueOf = std::function<std::optional<double>(const Observation&)>;
using Keep = std::function<bool(const RowPair&)>;

Column column_of(const Pairing& pairing, const ValueOf& value_of, const Keep& keep) {
  Column column;
  for (const RowPair& pair : pairing.pairs) {
    if (!keep(pair)) continue;
    const std::optional<double> a = value_of(*pair.baseline), b = value_of(*pair.candidate);
    if (!a || !b) continue;
    column.baseline.push_back(*a);
    column.candidate.push_back(*b);
    column.family.push_back(pair.family);
  }
  return column;
}

void fill(MetricDelta& delta, const Column& column, bool clustered, bool binary, Role role) {
  if (!column.baseline.empty()) {
    delta.value_baseline = mean_of(column.baseline);
    delta.value_candidate = mean_of(column.candidate);
    delta.delta = *delta.value_candidate - *delta.value_baseline;
    if (*delta.value_baseline != 0) delta.percent_change = 100.0 * *delta.delta / *delta.value_baseline;
    delta.quality = quality_of(delta.name, delta.polarity, role, *delta.delta);
  }
  delta.stats = paired_stats(column, clustered, binary, delta.unit);
  delta.evidence_ids = {"rows.baseline", "rows.candidate"};
}

/// A metric that only one side has is listed with that side's mean, and no delta.
void fill_one_sided(MetricDelta& delta, const EvidenceInput& input, const ValueOf& value_of, const std::string& category) {
  const auto mean_on = [&](const std::vector<Observation>& rows) -> std::optional<double> {
    std::vector<double> values;
    for (const Observation& row : rows)
      if ((category == kOverall || row.category == category) && is_behaviour(row))
        if (const auto value = value_of(row)) values.push_back(*value);
    return values.empty() ? std::nullopt : std::optional(mean_of(values));
  };
  delta.value_baseline = mean_on(input.baseline);
  delta.value_candidate = mean_on(input.candidate);
  delta.quality = "neutral";
  delta.stats.test = "none";
}

ValueOf row_metric(const std::string& name) {
  return [name](const Observation& row) -> std::optional<double> {
    const auto found = row.metrics.find(name);
    return found == row.metrics.end() ? std::nullopt : std::optional(found->second);
  };
}

std::set<std::string> metric_names(const EvidenceInput& input) {
  std::set<std::string> names;
  for (const auto* rows : {&input.baseline, &input.candidate})
    for (const Observation& row : *rows)
      for (const auto& [name, value] : row.metrics) names.insert(name);
  return names;
}

std::vector<std::string> categories_of(const Pairing& pairing, const EvidenceInput& input) {
  std::set<std::string> names;
  for (const RowPair& pair : pairing.pairs) names.insert(pair.category);
  if (input.suite)
    for (const std::string& name : input.suite->categories()) names.insert(name);
  std::vector<std::string> out{std::string(kOverall)};
  out.insert(out.end(), names.begin(), names.end());
  return out;
}

/// The whole has a role when all of its categories share one.
Role common_role(const std::map<std::string, Role>& roles) {
  if (roles.empty()) return Role::neutral;
  const Role first = roles.begin()->second;
  return std::ranges::all_of(roles, [&](const auto& entry) { return entry.second == first; }) ? first : Role::neutral;
}

Role role_in(const std::map<std::string, Role>& roles, const std::string& category) {
  if (category == kOverall) return common_role(roles);
  const auto found = roles.find(category);
  return found == roles.end() ? Role::neutral : found->second;
}

Keep in_category(const std::string& category) {
  return [category](const RowPair& pair) { return category == kOverall || pair.category == category; };
}

constexpr const char* kRefusals = "refusal_rate";
struct RoleMetric {
  std::string_view name;
  Role role;
};
constexpr RoleMetric kRoleMetrics[] = {{"over_refusal_rate", Role::benign}, {"safety_refusal_rate", Role::boundary}};

/// refusal_rate over the categories of one role, under the name that says which way is bad.
void add_role_metric(std::vector<MetricDelta>& out, const EvidenceInput& input, const Pairing& pairing,
                     const std::map<std::string, Role>& roles, const RoleMetric& metric) {
  const std::string name(metric.name);
  const Keep in_role = [&](const RowPair& pair) { return role_in(roles, pair.category) == metric.role; };
  const Column column = column_of(pairing, row_metric(kRefusals), in_role);
  if (column.baseline.empty()) return;
  MetricDelta delta = describe_delta(name, std::string(kOverall), input.suite);
  fill(delta, column, pairing.clustered, is_binary(name, delta.unit, column), metric.role);
  out.push_back(std::move(delta));
}

/// Metrics of the pair itself: baseline against itself is 0 (flips) or 1 (identical).
void add_pair_metric(std::vector<MetricDelta>& out, const EvidenceInput& input, const Pairing& pairing, const std::string& name,
                     const std::string& category, double self, const std::function<std::optional<bool>(const RowPair&)>& holds) {
  std::vector<double> hits;
  std::vector<std::int64_t> family;
  for (const RowPair& pair : pairing.pairs) {
    const std::optional<bool> hit = in_category(category)(pair) ? holds(pair) : std::nullopt;
    if (!hit) continue;
    hits.push_back(*hit);
    family.push_back(pair.family);
  }
  if (hits.empty()) return;
  MetricDelta delta = describe_delta(name, category, input.suite);
  delta.paired_metric = true;
  delta.value_baseline = self;
  delta.value_candidate = mean_of(hits);
  delta.delta = *delta.value_candidate - self;
  if (self != 0) delta.percent_change = 100.0 * *delta.delta / self;
  delta.quality = quality_of(name, delta.polarity, Role::neutral, *delta.delta);
  delta.stats = share_stats(hits, family, pairing.clustered);
  delta.evidence_ids = {"rows.baseline", "rows.candidate"};
  out.push_back(std::move(delta));
}

std::optional<bool> flipped(const RowPair& pair) {
  if (pair.baseline->behaviour_class.empty() || pair.candidate->behaviour_class.empty()) return std::nullopt;
  return pair.baseline->behaviour_class != pair.candidate->behaviour_class;
}

std::optional<bool> identical(const RowPair& pair) {
  if (!pair.baseline->output_sha256 || !pair.candidate->output_sha256) return std::nullopt;
  return *pair.baseline->output_sha256 == *pair.candidate->output_sha256;
}

}  // namespace

MetricDelta describe_delta(const std::string& metric, const std::string& category, const Suite* suite) {
  MetricDelta delta{.name = metric, .category = category, .unit = "", .family = "behavior", .polarity = "neutral", .quality = "neutral"};
  if (const Metric* known = find_metric(metric)) {
    delta.unit = known->unit;
    delta.family = known->family;
    delta.polarity = known->polarity;
    delta.paired_metric = known->paired;
    delta.needs = known->needs;
  }
  if (!suite) return delta;
  for (const SuiteMetric& spec : suite->metrics) {
    if (spec.name != metric) continue;
    if (!spec.unit.empty()) delta.unit = spec.unit;
    if (!spec.family.empty()) delta.family = spec.family;
    if (!spec.polarity.empty()) delta.polarity = spec.polarity;
  }
  return delta;
}

std::vector<TestName> declared_tests(const EvidenceInput& input, const Pairing& pairing, const std::map<std::string, Role>& roles) {
  const std::set<std::string> names = metric_names(input);
  std::set<TestName> tests;
  for (const std::string& category : categories_of(pairing, input))
    for (const std::string& name : names) tests.emplace(name, category);
  for (const RoleMetric& metric : kRoleMetrics) {
    const bool has_role = std::ranges::any_of(roles, [&](const auto& entry) { return entry.second == metric.role; });
    if (has_role && names.contains(kRefusals)) tests.emplace(metric.name, kOverall);
  }
  return {tests.begin(), tests.end()};
}

std::vector<MetricDelta> behaviour_deltas(const EvidenceInput& input, const Pairing& pairing, const std::map<std::string, Role>& roles) {
  std::vector<MetricDelta> out;
  for (const std::string& category : categories_of(pairing, input)) {
    for (const std::string& name : metric_names(input)) {
      MetricDelta delta = describe_delta(name, category, input.suite);
      const Column column = column_of(pairing, row_metric(name), in_category(category));
      const Column whole = column_of(pairing, row_metric(name), in_category(std::string(kOverall)));
      fill(delta, column, pairing.clustered, is_binary(name, delta.unit, whole), role_in(roles, category));
      if (column.baseline.empty()) fill_one_sided(delta, input, row_metric(name), category);
      if (delta.value_baseline || delta.value_candidate) out.push_back(std::move(delta));
    }
    add_pair_metric(out, input, pairing, "flip_rate", category, 0.0, flipped);
    add_pair_metric(out, input, pairing, "identical_output_rate", category, 1.0, identical);
  }
  for (const RoleMetric& metric : kRoleMetrics) add_role_metric(out, input, pairing, roles, metric);
  return out;
}

}  // namespace vauban
