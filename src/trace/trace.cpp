#include "vauban/trace.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/result.h"
#include "base/strings.h"
#include "trace/capability.h"
#include "trace/vocabulary.h"

namespace vauban {
namespace {

bool blank(std::string_view text) { return trim(text).empty(); }

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<void> check_object(const Json& value, std::string_view field) {
  if (value.is_null() || value.is_object()) return ok();
  return corrupt("{}: expected an object, found {}", field, value.type_name());
}

Result<void> check_device(const DeviceRef& device, std::string_view where) {
  if (blank(device.kind)) return corrupt("{}: expected a device kind, found none", where);
  if (blank(device.label)) return corrupt("{}: expected a device label, found none", where);
  return ok();
}

Result<void> check_counter(std::string_view field, std::int64_t value) {
  if (value >= 0) return ok();
  return corrupt("profile counter '{}': expected >= 0, found {}", field, value);
}

Result<void> check_seconds(std::string_view field, double value) {
  if (std::isfinite(value) && value >= 0) return ok();
  return corrupt("profile '{}': expected seconds >= 0, found {}", field, value);
}

Result<void> check_profile(const StageProfile& profile) {
  if (blank(profile.name)) return corrupt("profile: expected a name, found none");
  VB_CHECK(check_seconds("duration_s", profile.duration_s));
  VB_CHECK(check_seconds("device_s", profile.device_s.value_or(0)));
  for (const double seconds : profile.step_duration_s) VB_CHECK(check_seconds("step_duration_s", seconds));
  VB_CHECK(check_counter("memory_bytes", profile.memory_bytes.value_or(0)));
  VB_CHECK(check_counter("batch_size", profile.batch_size.value_or(0)));
  VB_CHECK(check_counter("token_count", profile.token_count.value_or(0)));
  VB_CHECK(check_counter("input_bytes", profile.input_bytes.value_or(0)));
  VB_CHECK(check_counter("output_bytes", profile.output_bytes.value_or(0)));
  VB_CHECK(check_counter("queue_depth", profile.queue_depth.value_or(0)));
  VB_CHECK(check_counter("host_device_copies", profile.host_device_copies));
  VB_CHECK(check_counter("sync_points", profile.sync_points));
  VB_CHECK(check_counter("host_peak_bytes", profile.host_peak_bytes.value_or(0)));
  if (!profile.device) return ok();
  return check_device(*profile.device, "profile");
}

Result<void> check_digest(std::string_view field, std::string_view digest) {
  if (digest.empty() || is_sha256(digest)) return ok();
  return corrupt("{}: expected 64 lower-case hex digits, found '{}'", field, printable(digest, 70));
}

Result<void> check_artifact(const TraceArtifact& artifact) {
  if (artifact.shape && std::any_of(artifact.shape->begin(), artifact.shape->end(), [](auto dim) { return dim < 0; }))
    return corrupt("shape: expected dimensions >= 0");
  if (artifact.layer.value_or(0) < 0) return corrupt("layer: expected >= 0, found {}", *artifact.layer);
  if (artifact.fire_count < 0) return corrupt("fire_count: expected >= 0, found {}", artifact.fire_count);
  VB_CHECK(check_digest("digest", artifact.digest));
  VB_CHECK(check_digest("payload_digest", artifact.payload_digest));
  if (artifact.payload_path.empty() != artifact.payload_digest.empty())
    return corrupt("payload: expected a path and a digest together, found only the {}",
                   artifact.payload_path.empty() ? "digest" : "path");
  if (artifact.level == SupportLevel::unsupported)
    return corrupt("level: an artifact that was emitted cannot be unsupported");
  VB_CHECK(check_object(artifact.summary, "summary"));
  return check_object(artifact.metadata, "metadata");
}

using ArtifactIndex = std::unordered_map<std::string_view, const TraceArtifact*>;
using SpanIds = std::unordered_set<std::string_view>;

Result<SpanIds> index_spans(const TraceParts& parts) {
  SpanIds ids;
  for (const TraceSpan& span : parts.spans) {
    if (blank(span.span_id)) return corrupt("a span has a blank id");
    if (blank(span.name)) return corrupt("span '{}' has a blank name", span.span_id);
    if (!ids.insert(span.span_id).second)
      return corrupt("span id '{}' is used twice: ids must be unique", span.span_id);
    if (span.profile) VB_CHECK(check_profile(*span.profile), "in span '{}'", span.span_id);
    VB_CHECK(check_object(span.metadata, "metadata"), "in span '{}'", span.span_id);
  }
  return ids;
}

Result<ArtifactIndex> index_artifacts(const TraceParts& parts, const SpanIds& spans) {
  ArtifactIndex index;
  for (const TraceArtifact& artifact : parts.artifacts) {
    const std::string& id = artifact.artifact_id;
    if (blank(id)) return corrupt("an artifact of kind '{}' has a blank id", to_string(artifact.kind));
    if (!index.emplace(id, &artifact).second) return corrupt("artifact id '{}' is used twice: ids must be unique", id);
    if (artifact.producer_span_id && !spans.contains(*artifact.producer_span_id))
      return corrupt("artifact '{}' names the producer '{}': no span has that id", id, *artifact.producer_span_id);
    VB_CHECK(check_artifact(artifact), "in artifact '{}'", id);
  }
  return index;
}

Result<void> check_list(const TraceSpan& span, const std::vector<std::string>& ids, std::string_view list,
                        const ArtifactIndex& artifacts) {
  SpanIds seen;
  for (const std::string& id : ids) {
    if (!artifacts.contains(id))
      return corrupt("span '{}' names the {} '{}': no artifact has that id", span.span_id, list, id);
    if (!seen.insert(id).second) return corrupt("span '{}' names the {} '{}' twice", span.span_id, list, id);
  }
  return ok();
}

Result<void> check_edges(const TraceSpan& span, const ArtifactIndex& artifacts) {
  VB_CHECK(check_list(span, span.input_artifacts, "input", artifacts));
  VB_CHECK(check_list(span, span.output_artifacts, "output", artifacts));
  for (const std::string& id : span.output_artifacts) {
    const auto& producer = artifacts.find(id)->second->producer_span_id;
    if (producer != span.span_id)
      return corrupt("artifact '{}' is an output of span '{}': its producer must be that span, found '{}'", id,
                     span.span_id, producer.value_or("none"));
  }
  return ok();
}

Result<void> check_missing(const std::vector<Missing>& missing) {
  for (std::size_t i = 0; i < missing.size(); ++i)
    if (blank(missing[i].reason))
      return corrupt("missing[{}] of kind '{}': expected a reason, found none", i, to_string(missing[i].kind));
  return ok();
}

Result<void> check_graph(const TraceParts& parts) {
  if (blank(parts.trace_id)) return corrupt("trace: expected an id, found none");
  VB_CHECK(check_device(parts.device, "trace"));
  VB_TRY(const SpanIds spans, index_spans(parts));
  VB_TRY(const ArtifactIndex artifacts, index_artifacts(parts, spans));
  for (const TraceSpan& span : parts.spans) VB_CHECK(check_edges(span, artifacts));
  VB_CHECK(check_missing(parts.missing));
  return check_object(parts.metadata, "metadata");
}

Result<void> check_bounds(const TraceArtifact& artifact, const Capability& capability) {
  const Support by_kind = capability.artifact(artifact.kind);
  if (by_kind.level == SupportLevel::unsupported)
    return corrupt("artifact '{}' is of kind '{}', which '{}' declares unsupported ({})", artifact.artifact_id,
                   to_string(artifact.kind), capability.name, by_kind.reason);
  if (!artifact.site) return ok();
  const Support by_site = capability.site(*artifact.site);
  if (by_site.level == SupportLevel::unsupported)
    return corrupt("artifact '{}' is of site '{}', which '{}' declares unsupported ({})", artifact.artifact_id,
                   to_string(*artifact.site), capability.name, by_site.reason);
  return ok();
}

}  // namespace

Result<Trace> Trace::make(TraceParts parts) {
  VB_CHECK(check_graph(parts), "in trace '{}'", parts.trace_id);
  return Trace(std::move(parts));
}

Result<Trace> Trace::make(TraceParts parts, const Capability& capability) {
  for (const TraceArtifact& artifact : parts.artifacts)
    VB_CHECK(check_bounds(artifact, capability), "in trace '{}'", parts.trace_id);
  return make(std::move(parts));
}

const TraceArtifact* Trace::find(std::string_view artifact_id) const {
  for (const TraceArtifact& artifact : parts_.artifacts)
    if (artifact.artifact_id == artifact_id) return &artifact;
  return nullptr;
}

std::vector<const TraceArtifact*> Trace::artifacts_by_kind(ArtifactKind kind) const {
  std::vector<const TraceArtifact*> found;
  for (const TraceArtifact& artifact : parts_.artifacts)
    if (artifact.kind == kind) found.push_back(&artifact);
  return found;
}

std::vector<ArtifactKind> Trace::coverage() const {
  std::vector<ArtifactKind> kinds;
  for (const ArtifactKind kind : all_artifact_kinds())
    if (!artifacts_by_kind(kind).empty()) kinds.push_back(kind);
  return kinds;
}

}  // namespace vauban
