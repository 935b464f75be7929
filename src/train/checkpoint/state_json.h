/// The part of a training state that is no tensor, as JSON.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "train/checkpoint/training_state.h"

namespace vauban {

Json state_to_json(const TrainingState& state);
/// Everything but tensors. Errors: corrupt.
Result<TrainingState> state_from_json(const Json& json);

}  // namespace vauban
