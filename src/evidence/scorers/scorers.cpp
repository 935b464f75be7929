#include <algorithm>
#include <array>

#include "base/strings.h"
#include "evidence/scorer.h"
#include "evidence/scorers/v1.h"
#include "evidence/scorers/v2.h"

namespace vauban {
namespace {

struct Bundle {
  std::string_view name;
  std::vector<std::string_view> members;
};

const std::vector<Bundle>& bundles() {
  static const std::vector<Bundle> list{
      {"deterministic_v1", {"refusal_v1", "length_v1", "style_v1", "expected_behavior_v1"}},
      {"deterministic_v2", {"refusal_v2", "length_v1", "style_v2", "expected_behavior_v2", "repetition_v1"}},
  };
  return list;
}

const Scorer* find_one(std::string_view name) {
  const auto scorers = all_scorers();
  const auto found = std::find_if(scorers.begin(), scorers.end(), [&](const Scorer& scorer) { return scorer.id == name; });
  return found == scorers.end() ? nullptr : &*found;
}

Error unknown(const std::string& name) {
  std::vector<std::string> names;
  for (const Bundle& bundle : bundles()) names.emplace_back(bundle.name);
  for (const Scorer& scorer : all_scorers()) names.emplace_back(scorer.id);
  const std::string near = did_you_mean(name, names);
  return with_hint(not_found("unknown scorer '{}'", name), near.empty() ? "see `vauban list scorers`" : format("did you mean '{}'?", near));
}

/// Classes map to the outcome taxonomy (audit.md section 4); the caller knows about truncation and crashes.
std::string outcome_of(const std::string& behaviour_class) {
  if (behaviour_class == "refuse") return "refused";
  if (behaviour_class == "partial" || behaviour_class == "empty") return behaviour_class;
  return "ok";
}

}  // namespace

std::span<const Scorer> all_scorers() {
  static const std::array list{kRefusalV2, kStyleV2, kExpectedBehaviorV2, kRepetitionV1, kLengthV1, kRefusalV1, kStyleV1, kExpectedBehaviorV1};
  return list;
}

Result<std::vector<const Scorer*>> find_scorers(const std::vector<std::string>& names) {
  std::vector<const Scorer*> scorers;
  const auto add = [&](const Scorer* scorer) {
    if (std::find(scorers.begin(), scorers.end(), scorer) == scorers.end()) scorers.push_back(scorer);
  };
  for (const std::string& name : names) {
    const auto bundle = std::find_if(bundles().begin(), bundles().end(), [&](const Bundle& b) { return b.name == name; });
    if (bundle != bundles().end()) {
      for (const std::string_view member : bundle->members) add(find_one(member));
      continue;
    }
    const Scorer* scorer = find_one(name);
    if (!scorer) return unknown(name);
    add(scorer);
  }
  return scorers;
}

void score_row(Observation& row, std::string_view output, std::string_view prompt, const std::vector<const Scorer*>& scorers) {
  ScoreOutput scored;
  for (const Scorer* scorer : scorers) scorer->score({output, prompt, row.expected_behavior}, scored);
  for (const auto& [name, value] : scored.metrics) row.metrics[name] = value;
  if (const auto refusal = scored.metrics.find("refusal_rate"); refusal != scored.metrics.end()) row.refused = refusal->second == 1.0;
  row.behaviour_class = scored.behaviour_class;
  if (row.outcome.empty()) row.outcome = outcome_of(scored.behaviour_class);
}

}  // namespace vauban
