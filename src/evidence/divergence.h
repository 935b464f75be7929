/// Two models on identical ids: per-token divergence, streamed. No vocabulary row outlives its chunk.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "evidence/evidence.h"

namespace vauban {

struct TokenDivergence {
  float kld = 0;            ///< KL(base || candidate) in nat, from f32 logits by log-softmax in f64
  float nll_baseline = 0, nll_candidate = 0;  ///< of `next`, in nat
  bool same_top = false;    ///< equal argmax (lowest id on ties)
};
/// Errors: invalid_input for different vocabulary sizes; internal (unsupported numbers) for NaN logits.
Result<TokenDivergence> divergence(std::span<const float> base_logits, std::span<const float> candidate_logits, std::int32_t next);

}  // namespace vauban
