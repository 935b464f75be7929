#include <set>
#include <utility>

#include "evidence/pairing.h"

namespace vauban {
namespace {

/// The start of a text, short enough for a message; cut between code points.
std::string start_of(const std::string& text) {
  constexpr std::size_t kBytes = 60;
  if (text.size() <= kBytes) return text;
  std::size_t end = kBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

/// A prompt that must not be shown is not shown in an error either.
std::string quoted(const Observation& row) {
  return row.redaction == Redaction::safe ? "'" + start_of(*row.prompt) + "'" : "another text (withheld)";
}

std::string name_of(const Observation& row) {
  return row.sample_index == 0 ? row.prompt_id : format("{} (sample {})", row.prompt_id, row.sample_index);
}

Result<void> check_pair(const Observation& a, const Observation& b) {
  if (a.prompt && b.prompt && *a.prompt != *b.prompt)
    return invalid_input("{} is {} in the baseline and {} in the candidate: rows are compared only on the same prompt", name_of(a),
                         quoted(a), quoted(b));
  if (a.category != b.category)
    return invalid_input("{} is of category '{}' in the baseline and '{}' in the candidate", name_of(a), a.category, b.category);
  return ok();
}

}  // namespace

Result<void> check_unique(const std::vector<Observation>& rows) {
  std::set<std::pair<std::string, std::int64_t>> seen;
  for (const Observation& row : rows)
    if (!seen.emplace(row.prompt_id, row.sample_index).second)
      return invalid_input("prompt '{}' has two rows of sample {}: expected one row per prompt and sample", row.prompt_id, row.sample_index);
  return ok();
}

Result<void> check_pairs(const Pairing& pairing) {
  for (const RowPair& pair : pairing.pairs) VB_CHECK(check_pair(*pair.baseline, *pair.candidate));
  return ok();
}

}  // namespace vauban
