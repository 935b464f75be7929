#include "runner/trace_rows.h"

#include <algorithm>

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

bool spells_text(const TraceArtifact& artifact) {
  return artifact.kind == ArtifactKind::text || artifact.kind == ArtifactKind::tokens;
}

Json without(const Json& object, std::initializer_list<std::string_view> keys) {
  Json kept = Json::object();
  for (const auto& [key, value] : object.entries())
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) kept[key] = value;
  return kept;
}

void withhold(TraceArtifact& artifact, Redaction redaction) {
  if (const Json* text = artifact.metadata.find("text"); text && text->is_string() && redaction == Redaction::redacted) {
    artifact.metadata["text_sha256"] = sha256_hex(text->as_string());
    artifact.metadata["text_length_bytes"] = text->as_string().size();
  }
  artifact.metadata = without(artifact.metadata, {"text", "ids", "values", "pieces"});
  if (artifact.kind == ArtifactKind::logprobs || artifact.kind == ArtifactKind::logits)
    artifact.summary = without(artifact.summary, {"top_k", "rows"});
  if (redaction != Redaction::omitted) return;
  // Digest and length of a short text are enough to find it again by guessing.
  artifact.metadata = without(artifact.metadata, {"text_length_chars", "text_length_bytes", "prompt_ids_sha256"});
  if (spells_text(artifact)) artifact.digest.clear();
}

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

Result<Trace> redact(const Trace& trace, Redaction redaction) {
  TraceParts parts = trace.parts();
  if (redaction != Redaction::safe)
    for (TraceArtifact& artifact : parts.artifacts) withhold(artifact, redaction);
  if (redaction == Redaction::omitted) parts.metadata = without(parts.metadata, {"prompt_ids_sha256", "request_digest"});
  return Trace::make(std::move(parts));
}

}  // namespace vauban
