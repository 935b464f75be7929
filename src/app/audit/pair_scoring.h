/// Both models on identical ids, in lock step.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "evidence/evidence.h"
#include "vauban/runtime.h"

namespace vauban {

/// Per-token scalars for every position but the last. Vocabulary rows live for one chunk. The interventions of `options` are
/// the candidate's. Errors: those of the runtimes; invalid_input for vocabularies of different size.
Result<TokenScores> score_pair(Runtime& base, Runtime& candidate, std::span<const std::int32_t> ids, const ScoreOptions& options = {});

}  // namespace vauban
