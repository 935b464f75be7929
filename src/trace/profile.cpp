#include <algorithm>

#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {
namespace {

using Counter = std::optional<std::int64_t>;

void keep_max(Counter& highest, const Counter& value) {
  if (value) highest = std::max(highest.value_or(*value), *value);
}

/// Tokens per second over the spans called `name`; nothing without tokens or time.
std::optional<double> rate_of(const Trace& trace, std::string_view name) {
  double seconds = 0;
  std::int64_t tokens = 0;
  for (const TraceSpan& span : trace.spans()) {
    if (span.name != name || !span.profile) continue;
    seconds += span.profile->duration_s;
    tokens += span.profile->token_count.value_or(0);
  }
  if (tokens == 0 || seconds <= 0) return std::nullopt;
  return static_cast<double>(tokens) / seconds;
}

void add(TraceProfileSummary& summary, const StageProfile& profile) {
  ++summary.profiled_spans;
  summary.total_duration_s += profile.duration_s;
  if (profile.device_s) summary.total_device_s = summary.total_device_s.value_or(0) + *profile.device_s;
  summary.total_input_bytes += profile.input_bytes.value_or(0);
  summary.total_output_bytes += profile.output_bytes.value_or(0);
  summary.host_device_copies += profile.host_device_copies;
  summary.sync_points += profile.sync_points;
  keep_max(summary.token_count, profile.token_count);
  keep_max(summary.batch_size, profile.batch_size);
  keep_max(summary.peak_memory_bytes, profile.memory_bytes);
  keep_max(summary.max_queue_depth, profile.queue_depth);
}

}  // namespace

TraceProfileSummary summarise(const Trace& trace) {
  TraceProfileSummary summary;
  for (const TraceSpan& span : trace.spans())
    if (span.profile) add(summary, *span.profile);
  // Kept as earlier readers know it: tokenising and loading are in the total, so it understates the engine.
  if (summary.token_count && summary.total_duration_s > 0)
    summary.tokens_per_second = static_cast<double>(*summary.token_count) / summary.total_duration_s;
  summary.prefill_tokens_per_second = rate_of(trace, "prefill");
  summary.decode_tokens_per_second = rate_of(trace, "decode");
  return summary;
}

}  // namespace vauban
