/// Sampler: raw logits of one position -> one token.
///
/// Order of operations: raw logits -> logprob recorded -> repetition penalty -> temperature -> top-k -> top-p -> min-p
/// -> normalise -> draw. Temperature 0 is greedy after the penalty (lowest id on ties). Random numbers are counter
/// based and keyed by (seed, request, sample, position), so a sequence does not depend on what else is in its batch.
/// Source: inference-serving section 2.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "vauban/trace.h"

namespace vauban {

/// log sum exp of `logits`, accumulated in f64 in id order.
double log_sum_exp(std::span<const float> logits);
/// log-softmax: out[i] = logits[i] - log_sum_exp(logits), rounded once to f32. Sizes must be equal.
void log_softmax(std::span<const float> logits, std::span<float> out);

/// What keys the random numbers of a request: derived from its ids, so it is the same alone and in any batch, and the
/// two sides of a comparison draw with the same numbers.
std::uint64_t request_key(std::span<const std::int32_t> prompt_ids);

struct Candidate {
  std::int32_t id = 0;
  double probability = 0;
};

struct Pick {
  std::int32_t id = 0;
  int survivors = 1;  ///< candidates left after truncation; 1 when greedy
};

class Sampler {
 public:
  /// `sampling` has passed validate(TraceRequest).
  Sampler(const Sampling& sampling, std::uint64_t key) : sampling_(sampling), request_key_(key) {}

  bool greedy() const { return sampling_.temperature == 0.0; }

  /// The token after `history` (prompt and generated ids), which will stand at `position`.
  /// Errors: corrupt for NaN or +infinity among the logits, or when no logit is finite.
  Result<Pick> pick(std::span<const float> logits, std::span<const std::int32_t> history, std::int64_t position) const;

  /// The distribution that pick() draws from when it is not greedy: at least one candidate, sum 1. Sorted by
  /// probability (ties by id) where top-k or top-p is on, else by id.
  std::vector<Candidate> distribution(std::span<const float> logits, std::span<const std::int32_t> history) const;

  /// Everything that decided the draws, for the trace.
  Json record() const;

 private:
  std::vector<float> penalised(std::span<const float> logits, std::span<const std::int32_t> history) const;

  Sampling sampling_;
  std::uint64_t request_key_ = 0;
};

}  // namespace vauban
