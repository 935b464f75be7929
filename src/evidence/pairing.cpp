#include "evidence/pairing.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace vauban {
namespace {

using Key = std::pair<std::string, std::int64_t>;
using Side = std::map<Key, const Observation*>;

Side index(const std::vector<Observation>& rows) {
  Side side;
  for (const Observation& row : rows)
    if (is_behaviour(row)) side.emplace(Key{row.prompt_id, row.sample_index}, &row);
  return side;
}

/// Every key that was planned or seen, with the category it belongs to.
std::map<Key, std::string> wanted_keys(const EvidenceInput& input) {
  std::map<Key, std::string> keys;
  std::int64_t samples = 1;
  for (const auto* rows : {&input.baseline, &input.candidate})
    for (const Observation& row : *rows) {
      keys.emplace(Key{row.prompt_id, row.sample_index}, row.category);
      samples = std::max(samples, row.sample_index + 1);
    }
  if (input.suite)
    for (const SuitePrompt& prompt : input.suite->prompts)
      for (std::int64_t sample = 0; sample < samples; ++sample) keys.emplace(Key{prompt.id, sample}, prompt.category);
  return keys;
}

class Families {
 public:
  std::int64_t number(const Observation& row) {
    const std::string name = row.family.empty() ? "\x1f" + row.prompt_id : row.family;
    return numbers_.emplace(name, static_cast<std::int64_t>(numbers_.size())).first->second;
  }
  /// Several samples of one prompt are a cluster too.
  bool clustered(std::size_t pairs) const { return numbers_.size() < pairs; }

 private:
  std::map<std::string, std::int64_t> numbers_;
};

}  // namespace

std::string label_of(const std::vector<Observation>& rows, const char* fallback) {
  return rows.empty() || rows.front().model_label.empty() ? fallback : rows.front().model_label;
}

bool is_behaviour(const Observation& row) {
  static const std::set<std::string, std::less<>> absent{"infra_error", "timeout", "crash", "not_run"};
  return !absent.contains(row.outcome);
}

Pairing pair_rows(const EvidenceInput& input) {
  const Side baseline = index(input.baseline), candidate = index(input.candidate);
  const std::string baseline_label = label_of(input.baseline, "baseline"), candidate_label = label_of(input.candidate, "candidate");
  Pairing pairing;
  Families families;
  for (const auto& [key, category] : wanted_keys(input)) {
    const auto a = baseline.find(key), b = candidate.find(key);
    const bool has_a = a != baseline.end(), has_b = b != candidate.end();
    if (has_a && has_b)
      pairing.pairs.push_back({a->second, b->second, a->second->category, families.number(*a->second)});
    if (!has_a) pairing.unpaired.push_back({baseline_label, key.first, category, key.second});
    if (!has_b) pairing.unpaired.push_back({candidate_label, key.first, category, key.second});
    ++pairing.planned;
  }
  pairing.clustered = families.clustered(pairing.pairs.size());
  return pairing;
}

}  // namespace vauban
