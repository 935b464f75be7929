#include "runtime/replay/stored_capability.h"

#include <algorithm>

#include "base/format.h"
#include "base/result.h"

namespace vauban {

namespace {

Support support_of_count(std::size_t holding, std::size_t all) {
  if (holding == all) return {SupportLevel::full, ""};
  if (holding == 0) return {SupportLevel::unsupported, "no stored trace holds it"};
  return {SupportLevel::partial, format("{} of {} stored traces hold it", holding, all)};
}

template <class Holds>
Support support_where(const std::vector<const Trace*>& traces, Holds holds) {
  const auto holding = std::count_if(traces.begin(), traces.end(), [&](const Trace* trace) { return holds(*trace); });
  return support_of_count(static_cast<std::size_t>(holding), traces.size());
}

template <class Has>
Support support_of_profiles(const std::vector<const Trace*>& traces, Has has) {
  return support_where(traces, [&](const Trace& trace) {
    return std::any_of(trace.spans().begin(), trace.spans().end(),
                       [&](const TraceSpan& span) { return span.profile && has(*span.profile); });
  });
}

bool holds_site(const Trace& trace, Site site) {
  return std::any_of(trace.artifacts().begin(), trace.artifacts().end(),
                     [&](const TraceArtifact& artifact) { return artifact.site == site; });
}

std::vector<std::string> device_kinds(const std::vector<const Trace*>& traces) {
  std::vector<std::string> kinds;
  for (const Trace* trace : traces) kinds.push_back(trace->parts().device.kind);
  std::sort(kinds.begin(), kinds.end());
  kinds.erase(std::unique(kinds.begin(), kinds.end()), kinds.end());
  return kinds;
}

}  // namespace

Capability stored_capability(const std::vector<const Trace*>& traces) {
  const auto kind = [&](ArtifactKind wanted) {
    return support_where(traces, [&](const Trace& trace) { return !trace.artifacts_by_kind(wanted).empty(); });
  };
  const Support no_model{SupportLevel::unsupported, "a replay has no model at hand"};
  Capability out;
  out.name = "replay";
  out.device_kinds = device_kinds(traces);
  out.logits = kind(ArtifactKind::logits);
  out.logprobs = kind(ArtifactKind::logprobs);
  out.activations = kind(ArtifactKind::activation);
  out.interventions = kind(ArtifactKind::intervention_result);
  out.weight_access = kind(ArtifactKind::weight_snapshot);
  out.text = kind(ArtifactKind::text);
  out.tokens = kind(ArtifactKind::tokens);
  out.kv_cache = no_model;
  out.mutable_weights = no_model;
  out.profile_device_memory =
      support_of_profiles(traces, [](const StageProfile& p) { return p.memory_bytes.has_value(); });
  out.profile_sync_points = support_of_profiles(traces, [](const StageProfile& p) { return p.sync_points > 0; });
  for (const SiteInfo& site : all_sites()) {
    Support support = support_where(traces, [&](const Trace& trace) { return holds_site(trace, site.id); });
    if (support.level != SupportLevel::full) out.site_limits.emplace(site.id, std::move(support));
  }
  return out;
}

}  // namespace vauban
