/// TrainingConfig: what a run of `vauban train` is told: the whole TOML file. `vauban schema training` prints its schema.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/config/fields.h"
#include "data/dataset_options.h"
#include "train/optim/optimizers.h"
#include "train/schedule.h"

namespace vauban {

/// Where the examples come from.
struct TrainingDataConfig {
  std::vector<std::string> train, eval;
  double eval_fraction = 0.0;  ///< held out of `train` where `eval` names no file
  DatasetOptions dataset;
};
void fields(TrainingDataConfig& c, FieldVisitor& f);

/// A network that starts from random weights instead of from a base model.
struct InitConfig {
  std::string config;     ///< config.json
  std::string tokenizer;  ///< folder with tokenizer.json and tokenizer_config.json
  double std = 0.02;      ///< of matrices; those that write to the residual stream divide it by sqrt(2 layers)
};
void fields(InitConfig& c, FieldVisitor& f);

struct LoraConfig {
  std::int64_t rank = 8;
  double alpha = 16.0, dropout = 0.0;
  std::vector<std::string> targets{"all-linear"};  ///< names, or one regular expression, or "all-linear"
  std::vector<std::string> rank_pattern, alpha_pattern;  ///< "regex=value"
  std::vector<std::string> modules_to_save;
  std::vector<std::int64_t> layers;
  bool use_rslora = false;
};
void fields(LoraConfig& c, FieldVisitor& f);

struct EarlyStoppingConfig {
  std::int64_t patience = 3;  ///< evaluations without improvement
  double min_delta = 0.0;
  bool restore_best = true;
};
void fields(EarlyStoppingConfig& c, FieldVisitor& f);

struct TrainingConfig {
  std::string base;  ///< MODEL; or [init]
  std::optional<InitConfig> init;
  std::string out;
  std::string method = "full";  ///< full, lora
  std::optional<LoraConfig> lora;  ///< with method "lora"; left out: its defaults
  TrainingDataConfig data;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  std::optional<EarlyStoppingConfig> early_stopping;

  std::string numerics = "bf16";
  std::int64_t batch_size = 8, batch_tokens = 0, accumulation = 1;
  double epochs = 1.0;
  std::optional<std::int64_t> max_steps;
  double clip = 1.0;  ///< 0: none
  bool decay_embeddings = true;
  bool checkpointing = false, shuffle = true;
  std::uint64_t seed = 0;
  std::string dtype = "bf16";  ///< of the weights that are written
  std::int64_t log_every = 1, eval_every = 0, save_every = 0;
  int keep = 2;
  std::vector<std::string> trackers{"tensorboard"};  ///< besides metrics.jsonl
  bool allow_changed_data = false;
};
void fields(TrainingConfig& c, FieldVisitor& f);

/// Errors: invalid_input for settings that contradict each other, with what to change.
Result<void> check(const TrainingConfig& config);
/// Of what must not change when a run resumes: everything but places, reports and what leaves the bits alone.
Result<std::string> resume_digest(const TrainingConfig& config);

}  // namespace vauban
