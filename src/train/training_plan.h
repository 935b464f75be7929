/// TrainingPlan: what a run would do and take, found by rehearsing it: the same tape over operations that only take
/// memory (make_training_rehearsal of a backend).
#pragma once

#include <cstdint>

#include "base/context.h"
#include "base/json.h"
#include "format/model_source.h"
#include "ops/ops.h"
#include "train/training_config.h"

namespace vauban {

struct TrainingPlan {
  std::int64_t steps = 0, examples = 0, eval_examples = 0, tokens_per_epoch = 0, target_tokens_per_epoch = 0;
  std::int64_t parameters = 0, trainable = 0;
  std::int64_t weight_bytes = 0;      ///< trainable ones, their gradients, and what the products keep of the others
  std::int64_t activation_bytes = 0;  ///< of the largest of the steps that were rehearsed
  std::int64_t optimizer_bytes = 0;
  std::int64_t checkpoint_bytes = 0;  ///< copies while a checkpoint is written
  std::int64_t file_bytes = 0;        ///< of the base, mapped
  std::int64_t process_bytes = 0;     ///< held before the run takes any of these, examples included
  std::int64_t peak_bytes() const {
    return weight_bytes + activation_bytes + optimizer_bytes + checkpoint_bytes + file_bytes + process_bytes;
  }
};
Json to_json(const TrainingPlan& plan);

/// What the process holds besides the run: `program_bytes`, the pages of its own files (those of the base are counted
/// apart), and `anonymous_bytes`, which tells all others. Errors: those of opening model and data.
Result<TrainingPlan> plan_training_run(const TrainingConfig& config, ModelSource base, Ops& rehearsal,
                                       const Context& context, std::int64_t program_bytes,
                                       std::int64_t (*anonymous_bytes)());

}  // namespace vauban
