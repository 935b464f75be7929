#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "evidence/deltas.h"
#include "evidence/stats/stats.h"

namespace vauban {
namespace {

/// Paired values of one metric in one category.
struct Column {
  std::vector<double> baseline, candidate;
  std::vector<std::int64_t> family;
  std::int64_t baseline_only = 0, candidate_only = 0;
};

using ValueOf = std::function<std::optional<double>(const Observation&)>;
using Keep = std::function<bool(const RowPair&)>;

Column column_of(const Pairing& pairing, const ValueOf& value_of, const Keep& keep) {
  Column column;
  for (const RowPair& pair : pairing.pairs) {
    if (!keep(pair)) continue;
    const std::optional<double> a = value_of(*pair.baseline), b = value_of(*pair.candidate);
    column.baseline_only += a && !b;
    column.candidate_only += b && !a;
    if (!a || !b) continue;
    column.baseline.push_back(*a);
    column.candidate.push_back(*b);
    column.family.push_back(pair.family);
  }
  return column;
}

bool all_binary(const std::vector<double>& values) {
  for (const double value : values)
    if (value != 0.0 && value != 1.0) return false;
  return true;
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

/// Agresti and Min 2005, doi 10.1002/sim.1781: half a pair added to each of the four cells.
Interval adjusted_wald(const Discordant& counts, std::size_t pairs) {
  const double n = static_cast<double>(pairs) + 2, up = static_cast<double>(counts.up) + 0.5, down = static_cast<double>(counts.down) + 0.5;
  const double estimate = (up - down) / n;
  const double half = 1.959963985 * std::sqrt(up + down - (up - down) * (up - down) / n) / n;
  return {estimate - half, estimate + half};
}

Interval hull(const Interval& a, const Interval& b) { return {std::min(a.low, b.low), std::max(a.high, b.high)}; }

Stats stats_of(const Column& column, bool clustered) {
  const std::vector<double> d = differences(column);
  Stats stats{.test = clustered ? "clustered_t" : "paired_t", .n = static_cast<std::int64_t>(d.size())};
  if (d.empty()) return stats;
  const MeanTest test = t_test(d, clustered ? clustered_se(d, column.family) : plain_se(d));
  stats.estimate = test.estimate;
  stats.p = test.p;
  stats.mde = minimum_detectable_effect(test.error);
  set_intervals(stats, test);
  if (!all_binary(column.baseline) || !all_binary(column.candidate)) return stats;
  const Discordant counts = discordant(d);
  const Interval wald = adjusted_wald(counts, d.size());
  stats.gate_ci = stats.ci ? hull(*stats.ci, wald) : wald;
  if (clustered) return stats;
  stats.test = "exact_mcnemar";
  stats.p = mcnemar_exact(counts.down, counts.up);
  return stats;
}

void fill(MetricDelta& delta, const Column& column, bool clustered, Role role) {
  if (!column.baseline.empty()) {
    delta.value_baseline = mean_of(column.baseline);
    delta.value_candidate = mean_of(column.candidate);
    delta.delta = *delta.value_candidate - *delta.value_baseline;
    if (*delta.value_baseline != 0) delta.percent_change = 100.0 * *delta.delta / *delta.value_baseline;
    delta.quality = quality_of(delta.name, delta.polarity, role, *delta.delta);
  }
  delta.stats = stats_of(column, clustered);
  delta.evidence_ids = {"rows.baseline", "rows.candidate"};
}

/// A metric that only one side has is listed with that side's mean, and no delta.
void fill_one_sided(MetricDelta& delta, const EvidenceInput& input, const ValueOf& value_of, const std::string& category) {
  const auto mean_on = [&](const std::vector<Observation>& rows) -> std::optional<double> {
    std::vector<double> values;
    for (const Observation& row : rows)
      if ((category == "overall" || row.category == category) && is_behaviour(row))
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
  std::vector<std::string> out{"overall"};
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
  if (category == "overall") return common_role(roles);
  const auto found = roles.find(category);
  return found == roles.end() ? Role::neutral : found->second;
}

Keep in_category(const std::string& category) {
  return [category](const RowPair& pair) { return category == "overall" || pair.category == category; };
}

/// refusal_rate over the categories of one role, under the name that says which way is bad.
void add_role_metric(std::vector<MetricDelta>& out, const EvidenceInput& input, const Pairing& pairing,
                     const std::map<std::string, Role>& roles, Role role, const std::string& name) {
  const Column column = column_of(pairing, row_metric("refusal_rate"), [&](const RowPair& pair) { return role_in(roles, pair.category) == role; });
  if (column.baseline.empty()) return;
  MetricDelta delta = describe_delta(name, "overall", input.suite);
  fill(delta, column, pairing.clustered, role);
  out.push_back(std::move(delta));
}

/// Metrics of the pair itself: baseline against itself is 0 (flips) or 1 (identical).
void add_pair_metric(std::vector<MetricDelta>& out, const EvidenceInput& input, const Pairing& pairing, const std::string& name,
                     const std::string& category, double self, const std::function<std::optional<bool>(const RowPair&)>& holds) {
  std::int64_t n = 0, hits = 0;
  for (const RowPair& pair : pairing.pairs) {
    if (!in_category(category)(pair)) continue;
    const std::optional<bool> hit = holds(pair);
    n += hit.has_value();
    hits += hit.value_or(false);
  }
  if (n == 0) return;
  MetricDelta delta = describe_delta(name, category, input.suite);
  delta.paired_metric = true;
  delta.value_baseline = self;
  delta.value_candidate = static_cast<double>(hits) / static_cast<double>(n);
  delta.delta = *delta.value_candidate - self;
  if (self != 0) delta.percent_change = 100.0 * *delta.delta / self;
  delta.quality = quality_of(name, delta.polarity, Role::neutral, *delta.delta);
  const Bounds wide = wilson(hits, n), narrow = wilson(hits, n, 0.90);
  delta.stats = {.test = "wilson", .estimate = delta.value_candidate, .ci = Interval{wide.low, wide.high},
                 .ci90 = Interval{narrow.low, narrow.high}, .gate_ci = Interval{wide.low, wide.high}, .n = n};
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

void set_intervals(Stats& stats, const MeanTest& test) {
  if (!test.ci95 || !test.ci90) return;
  stats.ci = stats.gate_ci = Interval{test.ci95->low, test.ci95->high};
  stats.ci90 = Interval{test.ci90->low, test.ci90->high};
}

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

std::vector<MetricDelta> behaviour_deltas(const EvidenceInput& input, const Pairing& pairing, const std::map<std::string, Role>& roles) {
  std::vector<MetricDelta> out;
  for (const std::string& category : categories_of(pairing, input)) {
    for (const std::string& name : metric_names(input)) {
      MetricDelta delta = describe_delta(name, category, input.suite);
      const Column column = column_of(pairing, row_metric(name), in_category(category));
      fill(delta, column, pairing.clustered, role_in(roles, category));
      if (column.baseline.empty()) fill_one_sided(delta, input, row_metric(name), category);
      if (delta.value_baseline || delta.value_candidate) out.push_back(std::move(delta));
    }
    add_pair_metric(out, input, pairing, "flip_rate", category, 0.0, flipped);
    add_pair_metric(out, input, pairing, "identical_output_rate", category, 1.0, identical);
  }
  add_role_metric(out, input, pairing, roles, Role::benign, "over_refusal_rate");
  add_role_metric(out, input, pairing, roles, Role::boundary, "safety_refusal_rate");
  return out;
}

}  // namespace vauban
