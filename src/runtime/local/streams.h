/// The pull streams of the local runtime, over an engine of their own. They must not outlive the runtime.
#pragma once

#include <deque>
#include <memory>

#include "runtime/local/engine.h"
#include "runtime/local/observer.h"
#include "vauban/runtime.h"

namespace vauban {

/// The engine of a generation, and what edits its passes.
struct StepRun {
  Engine engine;
  Observer observer;
  std::deque<Observed> observed;  ///< borrowed by the observer
  bool edits = false;
};
/// Every request has been submitted, in order, so that sequence numbers are request indices.
std::unique_ptr<StepStream> make_step_stream(std::unique_ptr<StepRun> run);

/// The engine runs one sequence that wants the logits of every position.
std::unique_ptr<ScoreStream> make_score_stream(std::unique_ptr<StepRun> run, std::int64_t vocab);

}  // namespace vauban
