/// What an observation row takes from a trace.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "vauban/trace.h"

namespace vauban {

struct TraceRow {
  std::vector<std::int32_t> prompt_ids, output_ids;
  std::string text, finish_reason;
  bool has_text = false;
  std::vector<float> first_logprobs;  ///< of the first generated tokens, at most kFirstLogprobs
};
inline constexpr std::size_t kFirstLogprobs = 8;

/// Reads the artifacts `tokens`, `generated_tokens`, `text` and `token_logprobs`; what is absent stays empty.
TraceRow read_trace_row(const Trace& trace);

/// SHA-256 of the ids as little-endian i32.
std::string ids_digest(std::span<const std::int32_t> ids);

}  // namespace vauban
