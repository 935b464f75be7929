#include "runtime/local/trace_artifacts.h"

#include <algorithm>

#include "base/sha256.h"

namespace vauban {

namespace {

TraceArtifact make_artifact(std::string id, ArtifactKind kind) {
  TraceArtifact out;
  out.artifact_id = std::move(id);
  out.kind = kind;
  out.fire_count = 1;
  return out;
}

/// Values of one row each: dtype, shape and digest follow from them.
template <class T>
void set_values(TraceArtifact& artifact, std::string_view dtype, std::span<const T> values) {
  artifact.dtype = dtype;
  artifact.shape = std::vector<std::int64_t>{static_cast<std::int64_t>(values.size())};
  artifact.digest = sha256_hex(std::as_bytes(values));
}

std::int64_t code_points(std::string_view utf8) {
  return std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace

TraceArtifact tokens_artifact(const TraceRun& run) {
  TraceArtifact out = make_artifact("tokens", ArtifactKind::tokens);
  set_values<std::int32_t>(out, "i32", run.prompt);
  out.site = Site::tokens;
  out.positions = "all";
  out.metadata = Json::object({{"ids", Json(run.prompt)}, {"token_count", run.prompt.size()}});
  out.metadata["text_length_chars"] = run.tokenized() ? Json(code_points(run.request.input_text)) : Json();
  return out;
}

TraceArtifact generated_tokens_artifact(const Sequence& sequence) {
  const std::vector<std::int32_t> ids(sequence.new_ids().begin(), sequence.new_ids().end());
  TraceArtifact out = make_artifact("generated_tokens", ArtifactKind::tokens);
  set_values<std::int32_t>(out, "i32", ids);
  out.site = Site::sampled_id;
  out.positions = "decode";
  out.metadata =
      Json::object({{"ids", Json(ids)}, {"token_count", ids.size()}, {"finish_reason", to_string(sequence.finish())}});
  return out;
}

TraceArtifact text_artifact(const Sequence& sequence) {
  TraceArtifact out = make_artifact("text", ArtifactKind::text);
  out.dtype = "utf-8";
  out.digest = sha256_hex(std::string_view(sequence.text()));
  out.metadata = Json::object({{"text", sequence.text()}, {"finish_reason", to_string(sequence.finish())}});
  return out;
}

TraceArtifact sampler_artifact(const Sequence& sequence) {
  TraceArtifact out = make_artifact("sampler", ArtifactKind::other);
  out.metadata = sequence.sampler().record();
  out.metadata["survivors"] = Json(sequence.survivors());
  return out;
}

TraceArtifact token_logprobs_artifact(const Sequence& sequence) {
  TraceArtifact out = make_artifact("token_logprobs", ArtifactKind::logprobs);
  set_values<float>(out, "f32", sequence.logprobs());
  out.positions = "decode";
  out.metadata = Json::object({{"values", Json(sequence.logprobs())}, {"of", "generated_tokens"}});
  return out;
}

TraceArtifact kv_pages_artifact(const TraceRun& run, const KvMemory& kv) {
  const std::vector<std::int32_t>& pages = run.observed.kv_pages;
  TraceArtifact out = make_artifact("kv_pages", ArtifactKind::other);
  set_values<std::int32_t>(out, "i32", pages);
  out.site = Site::kv_pages;
  out.metadata = Json::object({{"pages", Json(pages)}, {"page_tokens", kv.store->geometry().page_tokens}});
  return out;
}

TraceArtifact profile_artifact(const std::vector<TraceSpan>& spans) {
  Json names = Json::array();
  for (const TraceSpan& span : spans)
    if (span.profile) names.push_back(span.name);
  TraceArtifact out = make_artifact("profile", ArtifactKind::profile);
  out.metadata = Json::object({{"profiled_spans", std::move(names)}});
  return out;
}

}  // namespace vauban
