/// Running a SweepPlan.
#pragma once

#include <vector>

#include "app/commands/profile/sweep_plan.h"
#include "base/context.h"
#include "vauban/runtime.h"

namespace vauban {

/// What was run, and why it ended before the plan did, if it did.
struct SweepTraces {
  std::vector<Trace> traces;  ///< in the order of the plan
  Result<void> ended = ok();
};

/// Stops after a repetition that shows unstable artifact coverage: summarise_sweep() then refuses it. Errors, in
/// `ended`: those of the requests; cancelled; resource when the engine did not run what the axis asks for (too few
/// requests at once). `ids`: the tokens that prompts are made of, at least one.
SweepTraces run_sweep(const SweepPlan& plan, const ProfileConfig& config, const std::vector<std::int32_t>& ids,
                      Runtime& runtime, PayloadSink* sink, const Context& context);

/// `length` ids: the first of `ids`, then the others in turn. `rotation` keeps prompts of one run apart.
std::vector<std::int32_t> prompt_of(const std::vector<std::int32_t>& ids, std::int64_t length, std::int64_t rotation);

}  // namespace vauban
