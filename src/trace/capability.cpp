#include "trace/capability.h"

#include <array>
#include <string>
#include <vector>

#include "base/strings.h"
#include "trace/vocabulary.h"

namespace vauban {
namespace {

constexpr std::array<CapabilityField, 7> kFields{{
    {"logits", &Capability::logits},
    {"logprobs", &Capability::logprobs},
    {"activations", &Capability::activations},
    {"interventions", &Capability::interventions},
    {"kv_cache", &Capability::kv_cache},
    {"weight_access", &Capability::weight_access},
    {"mutable_weights", &Capability::mutable_weights},
}};
constexpr std::array<CapabilityField, 4> kOtherFields{{
    {"text", &Capability::text},
    {"tokens", &Capability::tokens},
    {"profile_device_memory", &Capability::profile_device_memory},
    {"profile_sync_points", &Capability::profile_sync_points},
}};

Support full() { return {SupportLevel::full, ""}; }

/// Durations are always measured, so a profile exists; it is whole only with memory and synchronisation points.
Support profile_support(const Capability& capability) {
  const Support& memory = capability.profile_device_memory;
  const Support& syncs = capability.profile_sync_points;
  if (memory.level == SupportLevel::full && syncs.level == SupportLevel::full) return full();
  std::vector<std::string> reasons;
  if (memory.level != SupportLevel::full) reasons.push_back("device memory: " + memory.reason);
  if (syncs.level != SupportLevel::full) reasons.push_back("synchronisation points: " + syncs.reason);
  return {SupportLevel::partial, join(reasons, "; ")};
}

Result<void> check_reason(const Support& support, std::string_view field) {
  if (support.level == SupportLevel::full || !trim(support.reason).empty()) return ok();
  return invalid_input("capability '{}' is {}: expected a reason, found none", field, to_string(support.level));
}

}  // namespace

Support Capability::artifact(ArtifactKind kind) const {
  switch (kind) {
    case ArtifactKind::text:
      return text;
    case ArtifactKind::tokens:
      return tokens;
    case ArtifactKind::logits:
      return logits;
    case ArtifactKind::logprobs:
      return logprobs;
    case ArtifactKind::activation:
      return activations;
    case ArtifactKind::intervention_result:
      return interventions;
    case ArtifactKind::weight_snapshot:
      return weight_access;
    case ArtifactKind::profile:
      return profile_support(*this);
    case ArtifactKind::metric:
    case ArtifactKind::report_evidence:
    case ArtifactKind::other:
      break;
  }
  return full();
}

Support Capability::site(Site asked) const {
  const auto limit = site_limits.find(asked);
  return limit == site_limits.end() ? full() : limit->second;
}

std::span<const CapabilityField> capability_fields() { return kFields; }

Result<Support> support_of(const Capability& capability, std::string_view name) {
  std::vector<std::string> names;
  for (const CapabilityField& field : kFields) {
    if (field.name == name) return capability.*field.support;
    names.emplace_back(field.name);
  }
  return invalid_input("expected a capability ({}), found '{}'", join(names, ", "), printable(name, 60));
}

Result<void> validate(const Capability& capability) {
  if (trim(capability.name).empty()) return invalid_input("capability field 'name': expected text, found none");
  if (capability.device_kinds.empty())
    return invalid_input("capability field 'device_kinds' of '{}': expected at least one, found none", capability.name);
  for (const CapabilityField& field : kFields) VB_CHECK(check_reason(capability.*field.support, field.name));
  for (const CapabilityField& field : kOtherFields) VB_CHECK(check_reason(capability.*field.support, field.name));
  for (const auto& [site, support] : capability.site_limits) VB_CHECK(check_reason(support, to_string(site)));
  return ok();
}

Support support_for(const Capability& capability, ArtifactKind kind, std::optional<Site> site) {
  Support by_kind = capability.artifact(kind);
  if (!site) return by_kind;
  Support by_site = capability.site(*site);
  return by_site.level < by_kind.level ? by_site : by_kind;
}

}  // namespace vauban
