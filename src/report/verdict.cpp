#include "report/verdict.h"

#include <algorithm>

#include "base/format.h"

namespace vauban {
namespace {

ReportVerdict inconclusive(std::string reason) { return {"inconclusive", 4, std::move(reason)}; }

/// Rows that are no behaviour at all.
std::int64_t failures(const Evidence& evidence, const char* side) {
  std::int64_t count = 0;
  const auto outcomes = evidence.outcomes.find(side);
  if (outcomes == evidence.outcomes.end()) return 0;
  for (const auto& [outcome, rows] : outcomes->second)
    if (outcome == "infra_error" || outcome == "crash" || outcome == "timeout") count += rows;
  return count;
}

}  // namespace

ReportVerdict decide(const Evidence& evidence) {
  if (evidence.pairs == 0) return inconclusive("the two sides have no prompt in common");
  if (evidence.too_many_unpaired)
    return inconclusive(format("only {} of {} planned pairs could be compared", evidence.pairs, evidence.planned_pairs));
  if (const std::int64_t failed = failures(evidence, "candidate") - failures(evidence, "baseline"); failed > 0)
    return inconclusive(format("{} prompts could not be run on the candidate: see the limitations", failed));
  if (const auto logits = evidence.presence.find(ArtifactKind::logits);
      logits != evidence.presence.end() && logits->second.candidate < evidence.pairs)
    return inconclusive(format("only {} of {} pairs could be scored on identical ids: see what is missing", logits->second.candidate, evidence.pairs));
  std::vector<const GateResult*> binding;
  for (const GateResult& gate : evidence.gates)
    if (gate.severity == "fail") binding.push_back(&gate);
  if (binding.empty()) return inconclusive("no gates are declared: add [[behavior_suite.gates]] to decide whether this may ship");
  for (const GateResult* gate : binding)
    if (gate->decided && !gate->passed) return {"hold", 1, format("gate '{}' failed: {}", gate->id, gate->reason)};
  for (const GateResult* gate : binding)
    if (!gate->decided) return inconclusive(format("gate '{}' is undecided: {}", gate->id, gate->reason));
  return {"ship", 0, format("all {} gates passed", binding.size())};
}

}  // namespace vauban
