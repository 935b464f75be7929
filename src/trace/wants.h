/// Wants, and what was asked for and not observed: data of the trace, never an error by itself (trace-contract 5).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/json.h"
#include "vauban/trace.h"

namespace vauban {

/// The site that a want names, or nothing for kinds that have none (text, profile, weight_snapshot, ...).
std::optional<Site> site_of(const Want& want);

/// The layers a want means, ascending as given; one empty entry where its site has no layer. `model_layers` stands for
/// "all".
std::vector<std::optional<int>> layers_of(const Want& want, int model_layers);

/// Each want by itself, and that no observation is asked for twice. Errors: invalid_input naming `want[i]`.
Result<void> validate_wants(std::span<const Want> wants);

/// Compares the request with what was emitted. `known` are the entries already collected while running (a recorder's):
/// they come first, and what they cover is not repeated. Every entry carries a reason.
std::vector<Missing> find_missing(const TraceRequest& request, const Capability& capability,
                                  std::span<const TraceArtifact> artifacts, int model_layers,
                                  std::span<const Missing> known = {});

/// Names of the kinds, in canonical order: metadata.missing_requested_artifacts (`unsupported` false) and
/// metadata.unsupported_requested_artifacts (true).
Json missing_kinds(std::span<const Missing> missing, bool unsupported);

}  // namespace vauban
