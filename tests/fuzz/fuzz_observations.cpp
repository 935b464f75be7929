// Bytes as an observation file, JSONL or one array. What is read must survive being written: rows that may be shown come
// back the same, and those that may not give nothing away.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "suite/observation.h"

namespace {

using vauban::Observation;

void write_and_read(const Observation& row) {
  const auto line = vauban::to_json(row).dump();
  if (!line) return;  // a number beyond f64 or f32 has become infinite
  const auto again = vauban::parse_observations(*line, "again", {});
  if (!again || again->size() != 1) std::abort();
  const Observation& copy = again->front();
  const bool shown = row.redaction == vauban::Redaction::safe;
  if (copy.output_text.has_value() && !shown) std::abort();
  if (shown && copy.output_text != row.output_text) std::abort();
  if (copy.prompt_id != row.prompt_id || copy.sample_index != row.sample_index || copy.metrics != row.metrics) std::abort();
  if (vauban::to_json(copy).dump().value_or("") != *line) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto rows = vauban::parse_observations(text, "fuzz.jsonl", {.model_label = "m"});
  if (!rows) return 0;
  for (const Observation& row : *rows) write_and_read(row);
  return 0;
}
