/// What an observation row takes from a trace, and what a stored trace may keep of a withheld prompt.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "suite/suite.h"
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

/// The trace without what spells a withheld text out: text becomes digest and length (omitted: neither), ids and token
/// lists go. Activations stay: they are evidence, and only as summaries unless payloads were asked for.
Result<Trace> redact(const Trace& trace, Redaction redaction);

}  // namespace vauban
