/// derive_claims: evidence -> claims. The only maker of claims.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "evidence/evidence.h"
#include "vauban/claim.h"

namespace vauban {

struct ClaimSet {
  Strength level = Strength::behavioral_profile;  ///< the rung reached
  std::string access;                             ///< single_snapshot, paired_outputs, logprobs, weights, activations, base_and_modified
  std::vector<Claim> claims;
  std::vector<std::string> can_say, cannot_say;
  std::string lifted_by;                          ///< what would raise the level one rung
  std::vector<std::string> notes;                 ///< "the configuration asked for model_change_audit; the artifacts support ..."
};

/// The strongest rung whose metrics were computed from artifacts present and hashed on both sides.
Strength computed_strength(const Evidence& evidence);

/// The strongest rung that can be computed from artifacts of these kinds on both sides.
Strength attainable_strength(std::span<const ArtifactKind> kinds);

/// The check of derive_claims before anything has run, for a comparison that computes metrics from `kinds`.
Result<void> check_declared(Strength declared, std::span<const ArtifactKind> kinds);

/// `declared` may only lower the level. Errors: invalid_input when it would raise it: the message names both rungs and
/// the artifact that is missing.
Result<ClaimSet> derive_claims(const Evidence& evidence, std::optional<Strength> declared = std::nullopt);

}  // namespace vauban
