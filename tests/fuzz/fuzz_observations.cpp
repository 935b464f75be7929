/// Observation rows: JSONL and JSON arrays. What is read is written and read again without a change.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "suite/observation.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto rows = vauban::parse_observations(text, "fuzz.jsonl", {.model_label = "m"});
  if (!rows) return 0;
  for (const vauban::Observation& row : *rows) {
    const auto written = vauban::to_json(row).dump();
    if (!written) continue;  // a number beyond f64 has become infinite
    const auto json = vauban::Json::parse(*written);
    const auto again = json ? vauban::observation_from_json(*json, 1, {}) : vauban::Result<vauban::Observation>(json.error());
    if (!again || vauban::to_json(*again).dump().value_or("") != *written) __builtin_trap();
  }
  return 0;
}
