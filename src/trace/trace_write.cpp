#include <algorithm>

#include "base/sha256.h"
#include "trace/json_fields.h"
#include "trace/trace_json.h"
#include "trace/trace_keys.h"
#include "trace/vocabulary.h"
#include "trace/wants.h"

namespace vauban {
namespace {

using json_fields::object_of;
using json_fields::or_null;

template <class T>
Json list_of(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(to_json(value));
  return list;
}

Json model_json(const ModelIdentity& model) {
  return Json::object({{"name", model.name},
                       {"path", model.path},
                       {"digest", model.digest},
                       {"architecture", model.architecture},
                       {"config_digest", model.config_digest}, {"lineage", model.lineage}});
}

bool is_volatile(std::string_view key) {
  constexpr std::string_view kNames[] = {"duration_s", "device_s", "memory_bytes", "host_peak_bytes"};
  return std::ranges::find(kNames, key) != std::end(kNames) || key.ends_with("_duration_s") ||
         key.ends_with("_per_second") || key.ends_with("_utc");
}

Json without_volatile(const Json& value) {
  if (value.is_array()) {
    Json list = Json::array();
    for (const Json& item : value.items()) list.push_back(without_volatile(item));
    return list;
  }
  if (!value.is_object()) return value;
  Json object = Json::object();
  for (const auto& [key, member] : value.entries())
    if (!is_volatile(key)) object[key] = without_volatile(member);
  return object;
}

}  // namespace

Json to_json(const DeviceRef& device) { return Json::object({{"kind", device.kind}, {"label", device.label}}); }

Json to_json(const StageProfile& profile) {
  return Json::object({{"name", profile.name},
                       {"duration_s", profile.duration_s},
                       {"device", profile.device ? to_json(*profile.device) : Json()},
                       {"memory_bytes", or_null(profile.memory_bytes)},
                       {"batch_size", or_null(profile.batch_size)},
                       {"token_count", or_null(profile.token_count)},
                       {"input_bytes", or_null(profile.input_bytes)},
                       {"output_bytes", or_null(profile.output_bytes)},
                       {"queue_depth", or_null(profile.queue_depth)},
                       {"host_device_copies", profile.host_device_copies},
                       {"sync_points", profile.sync_points},
                       {"device_s", or_null(profile.device_s)},
                       {"host_peak_bytes", or_null(profile.host_peak_bytes)},
                       {"step_duration_s", Json(profile.step_duration_s)},
                       {"kernel_path", or_null(profile.kernel_path)},
                       {"notes", Json(profile.notes)},
                       {"metadata", Json::object()}});
}

Json to_json(const TraceSpan& span) {
  Json metadata = object_of(span.metadata);
  Json profile = span.profile ? to_json(*span.profile) : Json();
  if (const Json* extra = metadata.find(kProfileMetadata); extra && span.profile) {
    profile["metadata"] = *extra;
    Json::Object rest = metadata.entries();
    rest.erase(std::string(kProfileMetadata));
    metadata = Json(std::move(rest));
  }
  return Json::object({{"id", span.span_id},
                       {"name", span.name},
                       {"profile", std::move(profile)},
                       {"input_artifacts", Json(span.input_artifacts)},
                       {"output_artifacts", Json(span.output_artifacts)},
                       {"metadata", std::move(metadata)}});
}

Json to_json(const TraceArtifact& artifact) {
  return Json::object({{"id", artifact.artifact_id},
                       {"kind", to_string(artifact.kind)},
                       {"producer_span_id", or_null(artifact.producer_span_id)},
                       {"shape", or_null(artifact.shape)},
                       {"dtype", or_null(artifact.dtype)},
                       {"digest", or_null(artifact.digest)},
                       {"path", or_null(artifact.payload_path)},
                       {"payload_digest", or_null(artifact.payload_digest)},
                       {"summary", object_of(artifact.summary)},
                       {"site", artifact.site ? Json(to_string(*artifact.site)) : Json()},
                       {"layer", or_null(artifact.layer)},
                       {"positions", or_null(artifact.positions)},
                       {"fire_count", artifact.fire_count},
                       {"level", to_string(artifact.level)},
                       {"metadata", object_of(artifact.metadata)}});
}

Json to_json(const Missing& missing) {
  return Json::object({{"kind", to_string(missing.kind)},
                       {"site", missing.site ? Json(to_string(*missing.site)) : Json()},
                       {"layer", or_null(missing.layer)},
                       {"reason", missing.reason},
                       {"unsupported", missing.unsupported}});
}

Json to_json(const Trace& trace) {
  const TraceParts& parts = trace.parts();
  Json metadata = object_of(parts.metadata);
  metadata[kMissingKinds] = missing_kinds(parts.missing, false);
  metadata[kUnsupportedKinds] = missing_kinds(parts.missing, true);
  return Json::object({{"schema_version", kTraceSchemaVersion},
                       {"id", parts.trace_id},
                       {"device", to_json(parts.device)},
                       {"backend", or_null(parts.backend)},
                       {"numerics", to_string(parts.numerics)},
                       {"model", model_json(parts.model)},
                       {"spans", list_of(parts.spans)},
                       {"artifacts", list_of(parts.artifacts)},
                       {"missing", list_of(parts.missing)},
                       {"metadata", std::move(metadata)}});
}

Result<std::string> stable_digest(const Trace& trace) {
  Json json = without_volatile(to_json(trace));
  json["model"]["path"] = Json();
  VB_TRY(const std::string text, json.dump());
  return sha256_hex(text);
}

}  // namespace vauban
