#include <algorithm>
#include <map>

#include "report/report_json.h"

namespace vauban {
namespace {

struct Pair {
  const Observation* baseline;
  const Observation* candidate;
  bool flipped() const { return baseline->behaviour_class != candidate->behaviour_class; }
  bool differs() const { return baseline->output_sha256 != candidate->output_sha256; }
  /// Changed verdicts first, then changed texts, then the rest.
  int rank() const { return flipped() ? 0 : differs() ? 1 : 2; }
};

std::vector<Pair> pairs_of(const RunData& data) {
  std::map<std::pair<std::string, std::int64_t>, const Observation*> candidates;
  for (const Observation& row : data.candidate) candidates.emplace(std::pair(row.prompt_id, row.sample_index), &row);
  std::vector<Pair> pairs;
  for (const Observation& row : data.baseline)
    if (const auto found = candidates.find({row.prompt_id, row.sample_index}); found != candidates.end()) pairs.push_back({&row, found->second});
  std::stable_sort(pairs.begin(), pairs.end(), [](const Pair& a, const Pair& b) { return a.rank() < b.rank(); });
  return pairs;
}

Json shown(const std::optional<std::string>& text, Redaction redaction) {
  return text && redaction == Redaction::safe ? Json(*text) : Json();
}

Json example_json(const Pair& pair) {
  const Redaction redaction = strictest(pair.baseline->redaction, pair.candidate->redaction);
  return Json::object({{"prompt_id", pair.baseline->prompt_id}, {"sample_index", pair.baseline->sample_index}, {"category", pair.baseline->category},
                       {"redaction", to_string(redaction)}, {"prompt", shown(pair.baseline->prompt, redaction)},
                       {"output_baseline", shown(pair.baseline->output_text, redaction)}, {"output_candidate", shown(pair.candidate->output_text, redaction)},
                       {"class_baseline", pair.baseline->behaviour_class}, {"class_candidate", pair.candidate->behaviour_class},
                       {"flipped", pair.flipped()}});
}

}  // namespace

Json examples_json(const RunData& data, std::size_t limit) {
  Json list = Json::array();
  const std::vector<Pair> pairs = pairs_of(data);
  for (std::size_t i = 0; i < std::min(limit, pairs.size()); ++i) list.push_back(example_json(pairs[i]));
  return list;
}

}  // namespace vauban
