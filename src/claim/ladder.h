/// The ladder from artifacts to claims: one row per rung (trace-contract section 6).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "vauban/claim.h"
#include "vauban/trace.h"

namespace vauban {

struct Rung {
  Strength strength;
  std::string_view access;
  /// Kinds of which a metric must have been computed, from hashed artifacts of both sides.
  std::vector<ArtifactKind> needs;
  std::string_view lifted_from_below_by;  ///< what somebody one rung below lacks
  std::vector<std::string_view> can_say, cannot_say;
};

std::span<const Rung> ladder();  ///< weakest first
const Rung& rung(Strength strength);

}  // namespace vauban
