/// Both models on identical ids, in lock step.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "evidence/evidence.h"
#include "vauban/runtime.h"

namespace vauban {

/// Per-token scalars for every position but the last. Vocabulary rows live for one chunk.
/// Errors: those of the runtimes; invalid_input for vocabularies of different size.
Result<TokenScores> score_pair(Runtime& base, Runtime& candidate, std::span<const std::int32_t> ids, std::int64_t chunk_rows = 64);

}  // namespace vauban
