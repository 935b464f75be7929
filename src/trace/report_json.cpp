#include "trace/capability.h"
#include "trace/json_fields.h"
#include "trace/trace_json.h"
#include "trace/vocabulary.h"

namespace vauban {
namespace {

using json_fields::or_null;

bool can(const Support& support) { return support.level != SupportLevel::unsupported; }

Json shape_of(const Trace& trace, ArtifactKind kind) {
  const auto found = trace.artifacts_by_kind(kind);
  return found.empty() ? Json() : or_null(found.front()->shape);
}

/// Keyed by layer, as earlier readers know it; a site other than resid_post adds its name.
Json activation_shapes(const Trace& trace) {
  Json shapes = Json::object();
  for (const TraceArtifact* artifact : trace.artifacts_by_kind(ArtifactKind::activation)) {
    const std::string layer = artifact->layer ? format("{}", *artifact->layer) : "";
    std::string key = layer;
    if (artifact->site && *artifact->site != Site::resid_post)
      key =
          layer.empty() ? std::string(to_string(*artifact->site)) : format("{}.{}", to_string(*artifact->site), layer);
    shapes[key.empty() ? artifact->artifact_id : key] = or_null(artifact->shape);
  }
  return shapes;
}

Json interventions(const Trace& trace) {
  Json list = Json::array();
  for (const TraceArtifact* artifact : trace.artifacts_by_kind(ArtifactKind::intervention_result)) {
    Json entry = json_fields::object_of(artifact->metadata);
    entry["id"] = artifact->artifact_id;
    list.push_back(std::move(entry));
  }
  return list;
}

void add_reason(Json& reasons, std::string_view name, const Support& support) {
  if (!support.reason.empty()) reasons[name] = support.reason;
}

}  // namespace

Json to_json(const Capability& c) {
  Json json = Json::object({{"name", c.name},
                            {"device_kinds", Json(c.device_kinds)},
                            {"can_emit_text", can(c.text)},
                            {"can_emit_tokens", can(c.tokens)},
                            {"can_emit_logits", can(c.logits)},
                            {"can_emit_logprobs", can(c.logprobs)},
                            {"can_emit_activations", can(c.activations)},
                            {"can_apply_interventions", can(c.interventions)},
                            {"can_inspect_weights", can(c.weight_access)},
                            {"can_mutate_weights", can(c.mutable_weights)},
                            {"can_profile_device_memory", can(c.profile_device_memory)},
                            {"can_profile_sync_points", can(c.profile_sync_points)}});
  Json reasons = Json::object(), artifacts = Json::object(), artifact_reasons = Json::object(), sites = Json::object();
  for (const CapabilityField& field : capability_fields()) {
    json[field.name] = to_string((c.*field.support).level);
    add_reason(reasons, field.name, c.*field.support);
  }
  add_reason(reasons, "profile_device_memory", c.profile_device_memory);
  add_reason(reasons, "profile_sync_points", c.profile_sync_points);
  for (const ArtifactKind kind : all_artifact_kinds()) {
    const Support support = c.artifact(kind);
    artifacts[to_string(kind)] = to_string(support.level);
    add_reason(artifact_reasons, to_string(kind), support);
  }
  for (const auto& [site, support] : c.site_limits)
    sites[to_string(site)] = Json::object({{"level", to_string(support.level)}, {"reason", support.reason}});
  json["reasons"] = std::move(reasons);
  json["artifact_support"] = std::move(artifacts);
  json["artifact_reasons"] = std::move(artifact_reasons);
  json["site_limits"] = std::move(sites);
  return json;
}

Json to_json(const TraceProfileSummary& s) {
  return Json::object({{"total_duration_s", s.total_duration_s},
                       {"total_device_s", or_null(s.total_device_s)},
                       {"profiled_spans", s.profiled_spans},
                       {"token_count", or_null(s.token_count)},
                       {"batch_size", or_null(s.batch_size)},
                       {"tokens_per_second", or_null(s.tokens_per_second)},
                       {"prefill_tokens_per_second", or_null(s.prefill_tokens_per_second)},
                       {"decode_tokens_per_second", or_null(s.decode_tokens_per_second)},
                       {"peak_memory_bytes", or_null(s.peak_memory_bytes)},
                       {"total_input_bytes", s.total_input_bytes},
                       {"total_output_bytes", s.total_output_bytes},
                       {"host_device_copies", s.host_device_copies},
                       {"sync_points", s.sync_points},
                       {"max_queue_depth", or_null(s.max_queue_depth)}});
}

Json report_summary(const Trace& trace) {
  Json spans = Json::array(), profiles = Json::array(), artifacts = Json::array(), missing = Json::array();
  for (const TraceSpan& span : trace.spans()) {
    spans.push_back(to_json(span));
    if (span.profile) profiles.push_back(to_json(*span.profile));
  }
  for (const TraceArtifact& artifact : trace.artifacts()) artifacts.push_back(to_json(artifact));
  for (const Missing& entry : trace.missing()) missing.push_back(to_json(entry));
  return Json::object({{"device", to_json(trace.parts().device)},
                       {"logits_shape", shape_of(trace, ArtifactKind::logits)},
                       {"logprobs_shape", shape_of(trace, ArtifactKind::logprobs)},
                       {"activation_shapes", activation_shapes(trace)},
                       {"interventions", interventions(trace)},
                       {"profile", std::move(profiles)},
                       {"spans", std::move(spans)},
                       {"artifacts", std::move(artifacts)},
                       {"missing", std::move(missing)},
                       {"profile_summary", to_json(summarise(trace))}});
}

}  // namespace vauban
