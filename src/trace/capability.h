/// Questions about a Capability beyond those of include/vauban/trace.h.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {

/// The seven capability names that every executor answers for, in the order of the contract.
struct CapabilityField {
  std::string_view name;  ///< "logits", ..., "mutable_weights"
  Support Capability::*support;
};
std::span<const CapabilityField> capability_fields();

/// Errors: invalid_input for a name that is not one of the seven.
Result<Support> support_of(const Capability& capability, std::string_view name);

/// Name and device kinds not empty; a reason beside everything that is not full.
/// Errors: invalid_input naming the field.
Result<void> validate(const Capability& capability);

/// The weaker of what the kind and (when given) the site allow.
Support support_for(const Capability& capability, ArtifactKind kind, std::optional<Site> site);

}  // namespace vauban
