/// Observation: one row of a run: what one model did on one prompt (one sample). JSONL, keys sorted.
/// Files of the earlier Python tool load unchanged (audit.md section 2).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "suite/suite.h"

namespace vauban {

struct Observation {
  std::string id;         ///< default "<model_label>:<prompt_id>"
  std::string prompt_id;  ///< pairing key, with sample_index
  std::string model_label;
  std::string category = "default";
  std::optional<std::string> prompt, output_text;  ///< present only where redaction allows
  std::string expected_behavior = "unknown";
  std::optional<bool> refused;
  std::map<std::string, double> metrics;
  Redaction redaction = Redaction::redacted;
  Json metadata;
  // New keys; absent in old files.
  std::string outcome;    ///< ok wrong refused partial timeout truncated crash infra_error empty not_run; "" unknown
  std::string behaviour_class;  ///< key "class": comply partial refuse hedge clarify empty; "" unknown
  std::int64_t sample_index = 0;
  std::string family, role, prompt_ids_sha256, finish_reason, numerics, trace_id;
  std::vector<std::int32_t> output_ids;
  std::vector<float> first_token_logprobs;
  std::optional<std::uint64_t> seed;
  std::optional<std::string> output_sha256;  ///< where the text is withheld
};

struct ObservationDefaults {
  std::string model_label = "model";
};

/// One line. `line_number` counts from 1 and gives the default prompt id.
Result<Observation> observation_from_json(const Json& row, std::int64_t line_number, const ObservationDefaults& defaults);
Json to_json(const Observation& row);

/// JSONL (blank lines and lines starting with '#' are skipped), or one JSON array of rows (as in published completion
/// files with `prompt` and `response`). Errors: corrupt with the line; invalid_input for duplicate
/// (model_label, prompt_id, sample_index).
Result<std::vector<Observation>> read_observations(const std::filesystem::path& path, const ObservationDefaults& defaults);
Result<std::vector<Observation>> parse_observations(std::string_view text, std::string_view name, const ObservationDefaults& defaults);

}  // namespace vauban
