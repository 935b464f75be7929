/// Traces, requests and capabilities as JSON. The keys and their rules: docs/trace-format.md.
///
/// Keys are sorted and equal values give equal bytes. Readers are strict: an unknown key, a wrong type or a word
/// outside a vocabulary is `corrupt`, with the place as context; only device kinds are open.
#pragma once

#include <string>

#include "base/json.h"
#include "vauban/trace.h"

namespace vauban {

inline constexpr std::int64_t kTraceSchemaVersion = 1;

Json to_json(const DeviceRef& device);
Json to_json(const StageProfile& profile);
Json to_json(const TraceSpan& span);
Json to_json(const TraceArtifact& artifact);
Json to_json(const Missing& missing);
Json to_json(const Trace& trace);
Result<TraceArtifact> artifact_from_json(const Json& json);
Result<Missing> missing_from_json(const Json& json);
/// Reads what to_json writes, and the form of the earlier Python tool; what that form does not state is listed in
/// metadata.absent_fields. The graph rules are checked.
Result<Trace> trace_from_json(const Json& json);

/// SHA-256 of the compact JSON without volatile values: model.path, memory_bytes, host_peak_bytes, device_s, and every key
/// that is duration_s or ends in _duration_s, _per_second or _utc.
/// Errors: invalid_input when the trace holds a number that JSON cannot (in a summary or metadata).
Result<std::string> stable_digest(const Trace& trace);

Json to_json(const TraceRequest& request);
/// Parses; does not validate(): a stored request may name another model's layers.
Result<TraceRequest> request_from_json(const Json& json);

/// Whole: levels, reasons, all artifact kinds, what can be profiled and mutated, limits of sites.
Json to_json(const Capability& capability);
Json to_json(const TraceProfileSummary& summary);
/// What a report embeds about one trace (trace-contract 3.3).
Json report_summary(const Trace& trace);

}  // namespace vauban
