/// The adapter that a LoRA run starts from: A random, B zero, so that step 0 is the base, bit for bit.
#pragma once

#include <memory>

#include "base/result.h"
#include "format/model_source.h"
#include "train/training_config.h"

namespace vauban {

/// Errors: those of init_adapter; invalid_input for a pattern that is not "regex=number".
Result<std::shared_ptr<const Adapter>> fresh_adapter(const TrainingConfig& config, const ModelSource& base);

}  // namespace vauban
