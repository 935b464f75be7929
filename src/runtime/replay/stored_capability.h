/// What a set of stored traces can show: computed from what they contain.
#pragma once

#include <vector>

#include "vauban/trace.h"

namespace vauban {

/// A kind or site is full when every trace holds it, partial when some do, unsupported when none does.
Capability stored_capability(const std::vector<const Trace*>& traces);

}  // namespace vauban
