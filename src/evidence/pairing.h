/// Pairing: rows of two models on the same prompt and sample. What has no partner is listed, never averaged away.
#pragma once

#include <string>
#include <vector>

#include "evidence/evidence.h"

namespace vauban {

struct RowPair {
  const Observation* baseline = nullptr;
  const Observation* candidate = nullptr;
  std::string category;
  std::int64_t family = 0;  ///< cluster number: prompts of one family share it, a prompt without family is its own
};

struct Pairing {
  std::vector<RowPair> pairs;         ///< sorted by (prompt_id, sample_index)
  std::vector<UnpairedRow> unpaired;  ///< present on one side only, or planned and absent on both
  std::int64_t planned = 0;           ///< pairs that the suite asks for; without a suite: the larger side
  bool clustered = false;             ///< some family holds more than one prompt
};

/// Rows whose outcome is not behaviour (infra_error, timeout, crash, not_run) count as absent on their side.
Pairing pair_rows(const EvidenceInput& input);
bool is_behaviour(const Observation& row);

/// The model label of one side's rows.
std::string label_of(const std::vector<Observation>& rows, const char* fallback);

/// Errors: invalid_input naming two rows of one side that have the same prompt and sample: one of them would count and the other not.
Result<void> check_unique(const std::vector<Observation>& rows);
/// Errors: invalid_input naming a pair whose prompt texts (where both rows carry one) or categories differ.
Result<void> check_pairs(const Pairing& pairing);

}  // namespace vauban
