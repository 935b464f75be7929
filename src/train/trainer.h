/// Trainer: a run of training, from a configuration to a folder that can be checked and resumed.
///
///   OUT/{config.toml, metrics.jsonl, tensorboard/, checkpoints/, model/ or adapter/, training.json}
///
/// The loss is the mean cross entropy over the target tokens of a whole optimiser step, however they are spread over
/// micro-batches. Everything random is a function of the seed and of counters (steps, epochs), so a resumed run goes on
/// with the bits of an undisturbed one; results do not depend on the thread count.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "base/context.h"
#include "base/json.h"
#include "format/model_source.h"
#include "ops/ops.h"
#include "train/training_config.h"

namespace vauban {

struct StepReport {
  std::int64_t step = 0, total_steps = 0, epoch = 0;
  double loss = 0.0;       ///< mean over the step's target tokens, nats
  double lr = 0.0, grad_norm = 0.0;
  std::int64_t tokens = 0, target_tokens = 0;  ///< rows computed, and those with a target
  double tokens_per_s = 0.0, eta_s = 0.0;
  bool skipped = false;    ///< f16: a gradient overflowed, nothing moved
};

struct EvalReport {
  std::int64_t step = 0;
  double loss = 0.0;
  std::int64_t target_tokens = 0;
  bool is_best = false;
};

/// Hears how a run goes; called on the run's own thread.
class TrainingObserver {
 public:
  virtual ~TrainingObserver() = default;
  virtual Result<void> on_begin(const Json& facts) = 0;  ///< trainable parameters, examples, steps, where it resumes
  virtual Result<void> on_step(const StepReport& report) = 0;
  virtual Result<void> on_eval(const EvalReport& report) = 0;
};

struct TrainingOutcome {
  std::int64_t steps = 0;
  std::filesystem::path checkpoint;  ///< the last one
  std::filesystem::path model;       ///< folder with the trained model or adapter
  std::optional<double> eval_loss;
  bool stopped_early = false;
};

/// `base` is the model of `config.base`, opened, or that of [init] (open_training_base). Errors: those of the parts;
/// corrupt when the run diverged (a loss or gradient that is not finite); invalid_input when an older run in the folder
/// differs;
/// cancelled, with a checkpoint saved.
Result<TrainingOutcome> train(const TrainingConfig& config, ModelSource base, Ops& ops, const Context& context,
                              TrainingObserver& observer);

/// For [init]: writes the random model to OUT/init unless it is there already, and opens it.
Result<ModelSource> open_random_base(const TrainingConfig& config);

}  // namespace vauban
