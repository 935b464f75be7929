#include "runner/trace_rows.h"

#include "base/sha256.h"

namespace vauban {
namespace {

const Json* metadata_of(const Trace& trace, std::string_view artifact_id, std::string_view key) {
  const TraceArtifact* artifact = trace.find(artifact_id);
  return artifact ? artifact->metadata.find(key) : nullptr;
}

std::vector<std::int32_t> ids_in(const Json* list) {
  std::vector<std::int32_t> ids;
  if (list)
    for (const Json& id : list->items()) ids.push_back(static_cast<std::int32_t>(id.as_int()));
  return ids;
}

std::string text_in(const Json* value) { return value && value->is_string() ? value->as_string() : std::string(); }

}  // namespace

TraceRow read_trace_row(const Trace& trace) {
  TraceRow row;
  row.prompt_ids = ids_in(metadata_of(trace, "tokens", "ids"));
  row.output_ids = ids_in(metadata_of(trace, "generated_tokens", "ids"));
  row.has_text = trace.find("text") != nullptr;
  row.text = text_in(metadata_of(trace, "text", "text"));
  row.finish_reason = text_in(metadata_of(trace, "text", "finish_reason"));
  if (row.finish_reason.empty()) row.finish_reason = text_in(metadata_of(trace, "generated_tokens", "finish_reason"));
  if (const Json* values = metadata_of(trace, "token_logprobs", "values"))
    for (const Json& value : values->items())
      if (row.first_logprobs.size() < kFirstLogprobs) row.first_logprobs.push_back(static_cast<float>(value.as_double()));
  return row;
}

std::string ids_digest(std::span<const std::int32_t> ids) { return sha256_hex(std::as_bytes(ids)); }

}  // namespace vauban
