/// The pull streams of the local runtime, over an engine of their own. They must not outlive the runtime.
#pragma once

#include <memory>

#include "runtime/local/engine.h"
#include "vauban/runtime.h"

namespace vauban {

/// Every request has been submitted, in order, so that sequence numbers are request indices.
std::unique_ptr<StepStream> make_step_stream(std::unique_ptr<Engine> engine);

/// The engine runs one sequence that wants the logits of every position.
std::unique_ptr<ScoreStream> make_score_stream(std::unique_ptr<Engine> engine, std::int64_t vocab);

}  // namespace vauban
