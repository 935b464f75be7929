#include "report/verdict.h"

#include <algorithm>

#include "base/format.h"

namespace vauban {
namespace {

ReportVerdict inconclusive(std::string reason) { return {"inconclusive", 4, std::move(reason)}; }

}  // namespace

ReportVerdict decide(const Evidence& evidence) {
  if (evidence.pairs == 0) return inconclusive("the two sides have no prompt in common");
  if (evidence.too_many_unpaired)
    return inconclusive(format("only {} of {} planned pairs could be compared", evidence.pairs, evidence.planned_pairs));
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
