/// Training as the commands run it: the base opened, the backend made, progress printed.
#pragma once

#include "app/session.h"
#include "train/training_config.h"

namespace vauban {

/// The value is the exit code.
Result<int> run_training(const TrainingConfig& config, Session& session);
/// Prints steps and memory without training.
Result<int> plan_training(const TrainingConfig& config, Session& session);

}  // namespace vauban
