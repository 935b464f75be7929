#include <algorithm>

#include "base/strings.h"
#include "trace/json_fields.h"
#include "trace/trace_json.h"
#include "trace/trace_keys.h"
#include "trace/vocabulary.h"
#include "trace/wants.h"

namespace vauban {
namespace {

using namespace json_fields;

constexpr std::string_view kUnstatedReason = "asked for and not emitted; the trace does not say why";

Result<std::optional<Site>> optional_site(const Json& json) {
  VB_TRY(const std::optional<std::string> name, optional_text(json, "site"));
  if (!name) return std::optional<Site>();
  VB_TRY(const Site site, as_corrupt(site_from(*name)));
  return std::optional(site);
}

Result<DeviceRef> device_from(const Json& json) {
  VB_CHECK(only(json, {"kind", "label"}));
  DeviceRef device;
  VB_TRY(device.kind, json.get_string("kind"));
  VB_TRY(device.label, json.get_string("label"));
  return device;
}

Result<StageProfile> profile_from(const Json& json) {
  VB_CHECK(only(
      json, {"name", "duration_s", "device", "memory_bytes", "batch_size", "token_count", "input_bytes", "output_bytes",
             "host_device_copies", "sync_points", "queue_depth", "device_s", "host_peak_bytes", "step_duration_s", "kernel_path",
             "notes", "metadata"}));
  StageProfile profile;
  VB_TRY(profile.name, json.get_string("name"));
  VB_TRY(profile.duration_s, json.get_double("duration_s"));
  if (const Json* device = present(json, "device")) {
    VB_TRY(profile.device, device_from(*device), "in 'device'");
  }
  VB_TRY(profile.memory_bytes, optional_int(json, "memory_bytes"));
  VB_TRY(profile.batch_size, optional_int(json, "batch_size"));
  VB_TRY(profile.token_count, optional_int(json, "token_count"));
  VB_TRY(profile.input_bytes, optional_int(json, "input_bytes"));
  VB_TRY(profile.output_bytes, optional_int(json, "output_bytes"));
  VB_TRY(profile.queue_depth, optional_int(json, "queue_depth"));
  VB_TRY(profile.host_device_copies, int_or(json, "host_device_copies", 0));
  VB_TRY(profile.sync_points, int_or(json, "sync_points", 0));
  VB_TRY(profile.device_s, optional_double(json, "device_s"));
  VB_TRY(profile.host_peak_bytes, optional_int(json, "host_peak_bytes"));
  VB_TRY(profile.step_duration_s, doubles(json, "step_duration_s"));
  VB_TRY(profile.kernel_path, text_or(json, "kernel_path", ""));
  VB_TRY(profile.notes, texts(json, "notes"));
  return profile;
}

Result<TraceSpan> span_from(const Json& json) {
  VB_CHECK(only(json, {"id", "name", "profile", "input_artifacts", "output_artifacts", "metadata"}));
  TraceSpan span;
  VB_TRY(span.span_id, json.get_string("id"));
  VB_TRY(span.name, json.get_string("name"), "in span '{}'", span.span_id);
  VB_TRY(span.input_artifacts, texts(json, "input_artifacts"), "in span '{}'", span.span_id);
  VB_TRY(span.output_artifacts, texts(json, "output_artifacts"), "in span '{}'", span.span_id);
  VB_TRY(span.metadata, object_or_null(json, "metadata"), "in span '{}'", span.span_id);
  const Json* profile = present(json, "profile");
  if (!profile) return span;
  VB_TRY(span.profile, profile_from(*profile), "in the profile of span '{}'", span.span_id);
  VB_TRY(const Json extra, object_or_null(*profile, "metadata"), "in the profile of span '{}'", span.span_id);
  if (extra.size() > 0) span.metadata[kProfileMetadata] = extra;
  return span;
}

Result<std::optional<std::vector<std::int64_t>>> shape_from(const Json& json) {
  if (!present(json, "shape")) return std::optional<std::vector<std::int64_t>>();
  VB_TRY(std::vector<std::int64_t> shape, ints(json, "shape"));
  return std::optional(std::move(shape));
}

Result<ModelIdentity> model_from(const Json& json) {
  VB_CHECK(only(json, {"name", "path", "digest", "config_digest", "architecture", "lineage"}));
  ModelIdentity model;
  VB_TRY(model.name, text_or(json, "name", ""));
  VB_TRY(model.path, text_or(json, "path", ""));
  VB_TRY(model.digest, text_or(json, "digest", ""));
  VB_TRY(model.architecture, text_or(json, "architecture", ""));
  if (const Json* digest = json.find("config_digest"); digest && digest->is_string()) model.config_digest = digest->as_string();
  if (const Json* lineage = json.find("lineage")) model.lineage = *lineage;
  return model;
}

/// Takes `key`, a list of kinds, out of the metadata. Nothing when it was not there.
Result<std::optional<std::vector<ArtifactKind>>> take_kinds(Json& metadata, std::string_view key) {
  if (!metadata.find(key)) return std::optional<std::vector<ArtifactKind>>();
  VB_TRY(const std::vector<std::string> names, texts(metadata, key), "in 'metadata'");
  std::vector<ArtifactKind> kinds;
  for (const std::string& name : names) {
    VB_TRY(const ArtifactKind kind, as_corrupt(artifact_kind_from(name)), "in 'metadata.{}'", key);
    kinds.push_back(kind);
  }
  Json::Object rest = metadata.entries();
  rest.erase(rest.find(key));
  metadata = Json(std::move(rest));
  return std::optional(std::move(kinds));
}

/// The older form names kinds only. A file that has both must agree with itself.
Result<void> reconcile(TraceParts& parts, bool has_missing, std::string_view key, bool is_unsupported) {
  VB_TRY(const auto kinds, take_kinds(parts.metadata, key));
  if (!kinds) return ok();
  Json stated = Json::array();
  for (const ArtifactKind kind : *kinds) {
    stated.push_back(to_string(kind));
    if (has_missing) continue;
    parts.missing.push_back({.kind = kind,
                             .site = std::nullopt,
                             .layer = std::nullopt,
                             .reason = std::string(kUnstatedReason),
                             .unsupported = is_unsupported});
  }
  if (!has_missing || stated == missing_kinds(parts.missing, is_unsupported)) return ok();
  return corrupt("'metadata.{}' does not name the kinds of the list 'missing'", key);
}

Result<void> read_missing(const Json& json, TraceParts& parts) {
  const bool has_missing = json.find("missing") != nullptr;
  if (has_missing) {
    VB_TRY(parts.missing, each<Missing>(json, "missing", missing_from_json));
  }
  VB_CHECK(reconcile(parts, has_missing, kMissingKinds, false));
  return reconcile(parts, has_missing, kUnsupportedKinds, true);
}

/// Fields that the older form does not have. What is absent is said to be absent.
Result<void> read_provenance(const Json& json, TraceParts& parts) {
  Json absent = Json::array();
  for (const std::string_view key : {"backend", "model", "numerics"})
    if (!json.find(key)) absent.push_back(key);
  if (absent.size() > 0) parts.metadata[kAbsentFields] = absent;
  VB_TRY(parts.backend, text_or(json, "backend", ""));
  VB_TRY(const std::string numerics, text_or(json, "numerics", std::string(to_string(Numerics::exact))));
  VB_TRY(parts.numerics, as_corrupt(numerics_from(numerics)));
  if (!json.find("model")) return ok();
  VB_TRY(const Json* model, json.get_object("model"));
  VB_TRY(parts.model, model_from(*model), "in 'model'");
  return ok();
}

}  // namespace

Result<TraceArtifact> artifact_from_json(const Json& json) {
  VB_CHECK(only(json, {"id", "kind", "producer_span_id", "shape", "dtype", "digest", "path", "payload_digest",
                       "summary", "site", "layer", "positions", "fire_count", "level", "metadata"}));
  TraceArtifact artifact;
  VB_TRY(artifact.artifact_id, json.get_string("id"));
  VB_TRY(const std::string kind, json.get_string("kind"));
  VB_TRY(artifact.kind, as_corrupt(artifact_kind_from(kind)));
  VB_TRY(artifact.producer_span_id, optional_text(json, "producer_span_id"));
  VB_TRY(artifact.shape, shape_from(json));
  VB_TRY(artifact.dtype, text_or(json, "dtype", ""));
  VB_TRY(artifact.digest, text_or(json, "digest", ""));
  VB_TRY(artifact.payload_path, text_or(json, "path", ""));
  VB_TRY(artifact.payload_digest, text_or(json, "payload_digest", ""));
  VB_TRY(artifact.summary, object_or_null(json, "summary"));
  VB_TRY(artifact.site, optional_site(json));
  VB_TRY(artifact.layer, optional_layer(json, "layer"));
  VB_TRY(artifact.positions, text_or(json, "positions", ""));
  VB_TRY(artifact.fire_count, int_or(json, "fire_count", 0));
  VB_TRY(const std::string level, text_or(json, "level", std::string(to_string(SupportLevel::full))));
  VB_TRY(artifact.level, as_corrupt(support_level_from(level)));
  VB_TRY(artifact.metadata, object_or_null(json, "metadata"));
  return artifact;
}

Result<Missing> missing_from_json(const Json& json) {
  VB_CHECK(only(json, {"kind", "site", "layer", "reason", "unsupported"}));
  Missing missing;
  VB_TRY(const std::string kind, json.get_string("kind"));
  VB_TRY(missing.kind, as_corrupt(artifact_kind_from(kind)));
  VB_TRY(missing.site, optional_site(json));
  VB_TRY(missing.layer, optional_layer(json, "layer"));
  VB_TRY(missing.reason, json.get_string("reason"));
  VB_TRY(missing.unsupported, bool_or(json, "unsupported", false));
  return missing;
}

Result<Trace> trace_from_json(const Json& json) {
  VB_CHECK(only(json, {"schema_version", "id", "device", "backend", "numerics", "model", "spans", "artifacts",
                       "missing", "metadata"}));
  VB_TRY(const std::int64_t version, int_or(json, "schema_version", kTraceSchemaVersion));
  if (version != kTraceSchemaVersion)
    return unsupported("trace: expected schema_version {}, found {}", kTraceSchemaVersion, version);
  TraceParts parts;
  VB_TRY(parts.trace_id, json.get_string("id"));
  VB_TRY(const Json* device, json.get_object("device"));
  VB_TRY(parts.device, device_from(*device), "in 'device'");
  VB_CHECK(json.get_array("spans"));
  VB_CHECK(json.get_array("artifacts"));
  VB_TRY(parts.spans, each<TraceSpan>(json, "spans", span_from), "in trace '{}'", parts.trace_id);
  VB_TRY(parts.artifacts, each<TraceArtifact>(json, "artifacts", artifact_from_json), "in trace '{}'", parts.trace_id);
  VB_TRY(parts.metadata, object_or_null(json, "metadata"));
  VB_CHECK(read_missing(json, parts), "in trace '{}'", parts.trace_id);
  VB_CHECK(read_provenance(json, parts), "in trace '{}'", parts.trace_id);
  return Trace::make(std::move(parts));
}

}  // namespace vauban
