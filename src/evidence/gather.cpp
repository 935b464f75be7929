#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/json.h"
#include "base/sha256.h"
#include "evidence/deltas.h"
#include "evidence/evidence.h"
#include "evidence/pairing.h"

namespace vauban {
namespace {

Result<void> check_finite(const std::vector<Observation>& rows) {
  for (const Observation& row : rows)
    for (const auto& [name, value] : row.metrics)
      if (!std::isfinite(value)) return invalid_input("metric '{}' of row '{}' is not finite", name, row.id);
  return ok();
}

/// Category roles: the command line wins, then the suite, then what the rows say.
std::map<std::string, Role> roles_of(const EvidenceInput& input) {
  std::map<std::string, Role> roles;
  for (const auto* rows : {&input.candidate, &input.baseline})
    for (const Observation& row : *rows) {
      roles.emplace(row.category, Role::neutral);
      if (!row.role.empty()) roles[row.category] = role_from(row.role).value_or(Role::neutral);
    }
  if (input.suite)
    for (const std::string& category : input.suite->categories()) roles[category] = input.suite->role_of(category);
  for (const auto& [category, role] : input.roles) roles[category] = role;
  return roles;
}

std::map<std::string, std::int64_t> outcomes_of(const std::vector<Observation>& rows) {
  std::map<std::string, std::int64_t> counts;
  for (const Observation& row : rows) ++counts[row.outcome.empty() ? "unknown" : row.outcome];
  return counts;
}

FlipMatrix flips_of(const Pairing& pairing, const std::string& category) {
  FlipMatrix matrix{.category = category, .classes = {"comply", "partial", "refuse", "hedge", "clarify", "empty"}};
  matrix.counts.assign(matrix.classes.size(), std::vector<std::int64_t>(matrix.classes.size()));
  const auto place = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(matrix.classes.begin(), matrix.classes.end(), name) - matrix.classes.begin());
  };
  for (const RowPair& pair : pairing.pairs) {
    const std::size_t from = place(pair.baseline->behaviour_class), to = place(pair.candidate->behaviour_class);
    const bool known = from < matrix.classes.size() && to < matrix.classes.size();
    if (known && (category == kOverall || pair.category == category)) ++matrix.counts[from][to];
  }
  return matrix;
}

std::string hash_of(const std::vector<TestName>& tests) {
  std::string names;
  for (const auto& [metric, category] : tests) names += metric + "\x1f" + category + "\n";
  return sha256_hex(names);
}

Result<void> check_side(const std::vector<Observation>& rows) {
  VB_CHECK(check_finite(rows));
  return check_unique(rows);
}

void sort_by_name(std::vector<MetricDelta>& deltas) {
  std::sort(deltas.begin(), deltas.end(), [](const MetricDelta& a, const MetricDelta& b) {
    return std::tie(a.name, a.category) < std::tie(b.name, b.category);
  });
}

}  // namespace

Result<Evidence> gather_evidence(const EvidenceInput& input) {
  VB_CHECK(check_side(input.baseline), "in the baseline");
  VB_CHECK(check_side(input.candidate), "in the candidate");
  const Pairing pairing = pair_rows(input);
  VB_CHECK(check_pairs(pairing));
  Evidence evidence{.baseline_label = label_of(input.baseline, "baseline"),
                    .candidate_label = label_of(input.candidate, "candidate"),
                    .pairs = static_cast<std::int64_t>(pairing.pairs.size()),
                    .planned_pairs = pairing.planned,
                    .unpaired = pairing.unpaired,
                    .presence = input.presence,
                    .missing = input.missing,
                    .roles = roles_of(input)};
  const double share = pairing.planned ? 1.0 - static_cast<double>(evidence.pairs) / static_cast<double>(pairing.planned) : 1.0;
  evidence.too_many_unpaired = share > input.max_unpaired_share;
  evidence.family_hash = hash_of(declared_tests(input, pairing, evidence.roles));
  evidence.deltas = behaviour_deltas(input, pairing, evidence.roles);
  std::vector<MetricDelta> tokens = token_deltas(input);
  evidence.deltas.insert(evidence.deltas.end(), tokens.begin(), tokens.end());
  sort_by_name(evidence.deltas);
  decide_verdicts(evidence.deltas, input, evidence.pairs == pairing.planned && pairing.planned > 0);
  evidence.flips.push_back(flips_of(pairing, std::string(kOverall)));
  for (const auto& [category, role] : evidence.roles) evidence.flips.push_back(flips_of(pairing, category));
  evidence.gates = check_gates(input, evidence.deltas);
  evidence.outcomes = {{"baseline", outcomes_of(input.baseline)}, {"candidate", outcomes_of(input.candidate)}};
  return evidence;
}

}  // namespace vauban
