/// SweepPlan: which runs `vauban profile` makes, and in which order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/options.h"
#include "app/prompt_options.h"
#include "evidence/sweep.h"

namespace vauban {

struct ProfileConfig {
  std::string model, axis, fit = "none";
  std::vector<std::int64_t> values;
  std::int64_t samples = kMinimumSamples;
  int warmup = 1, prompt_tokens = 16, max_tokens = 16, max_batch = 2;
  std::string prompt = "Once upon a time there was a little house at the edge of a wood.";
  std::string ids;
  std::vector<std::string> observe, profile;
  std::string out;
  bool plan = false;
  CommonOptions common;
};
void fields(ProfileConfig& c, FieldVisitor& f);

/// Requests that go through the engine together.
struct SweepRun {
  std::int64_t value = 0;  ///< on the axis
  int repetition = 0;      ///< the first `warmup` of them are dropped
  std::int64_t requests = 1, prompt_tokens = 0;
};

struct SweepPlan {
  SweepAxis axis = SweepAxis::token_count;
  std::vector<std::int64_t> values;  ///< ascending
  int max_batch = 1;
  /// Each repetition runs every value once, in an order drawn from the seed: a drift of the machine (heat, other load)
  /// then spreads over all values instead of passing for an effect of the axis.
  std::vector<SweepRun> runs;
};

/// Errors: invalid_input naming the option: an unknown axis, a value below the axis's least or given twice, a fit with
/// fewer than 5 values or with one below 1; more positions than `context_length` (0: unknown).
Result<SweepPlan> plan_sweep(const ProfileConfig& config, std::int64_t context_length);

/// axis, values, runs, requests, tokens, max_batch, order.
Json to_json(const SweepPlan& plan, const ProfileConfig& config);

}  // namespace vauban
