#include "train/training_config.h"

#include <algorithm>

#include "base/config/dump.h"
#include "base/sha256.h"
#include "train/trackers/tracker.h"
#include "format/model_names.h"

namespace vauban {

void fields(TrainingDataConfig& c, FieldVisitor& f) {
  f("train", c.train, {.help = "files with examples: see `vauban man data`", .required = true, .file = true});
  f("eval", c.eval, {.help = "files with held-out examples", .file = true});
  f("eval_fraction", c.eval_fraction, {.help = "share of the training examples that is held out instead", .min = 0, .max = 0.5});
  fields(c.dataset, f);
}

void fields(InitConfig& c, FieldVisitor& f) {
  f("config", c.config, {.help = "config.json of the architecture to start from random weights", .required = true, .file = true});
  f("tokenizer", c.tokenizer, {.help = "folder with tokenizer.json and tokenizer_config.json", .required = true, .file = true});
  f("std", c.std, {.help = "standard deviation of random matrices", .min = 0});
}

void fields(LoraConfig& c, FieldVisitor& f) {
  f("rank", c.rank, {.help = "rank of each pair", .min = 1, .max = 65536});
  f("alpha", c.alpha, {.help = "scale is alpha / rank, or alpha / sqrt(rank) with use_rslora", .min = 0});
  f("dropout", c.dropout, {.help = "of the adapter's input, while training", .min = 0, .max = 0.99});
  f("targets", c.targets, {.help = "names of modules, one regular expression, or all-linear"});
  f("rank_pattern", c.rank_pattern, {.help = "\"regex=rank\" for modules whose name ends so"});
  f("alpha_pattern", c.alpha_pattern, {.help = "\"regex=alpha\" for modules whose name ends so"});
  f("modules_to_save", c.modules_to_save, {.help = "modules that are trained as a whole and stored with the adapter"});
  f("layers", c.layers, {.help = "only these layers; default: all", .min = 0});
  f("use_rslora", c.use_rslora, {.help = "rank-stabilised scale"});
}

void fields(EarlyStoppingConfig& c, FieldVisitor& f) {
  f("patience", c.patience, {.help = "evaluations without improvement before the run ends", .min = 1});
  f("min_delta", c.min_delta, {.help = "what counts as an improvement", .min = 0, .unit = "nats per token"});
  f("restore_best", c.restore_best, {.help = "write the weights of the best evaluation"});
}

void fields(TrainingConfig& c, FieldVisitor& f) {
  f("base", c.base, {.help = "model to start from: folder, .gguf or an embedded one; or use [init]", .file = true, .is_name = names_embedded_model});
  f("init", c.init, {.help = "start from random weights"});
  f("out", c.out, {.help = "run folder; the same command resumes", .required = true, .file = true});
  f("method", c.method, {.help = "what is trained: every weight, or low-rank pairs beside frozen ones", .choices = {"full", "lora"}});
  f("lora", c.lora, {.help = "with method = \"lora\""});
  f("data", c.data, {.help = "what is learned from", .required = true});
  f("optimizer", c.optimizer, {.help = "see `vauban list optimizers`"});
  f("schedule", c.schedule, {.help = "see `vauban list schedules`"});
  f("early_stopping", c.early_stopping, {.help = "end when the held-out loss no longer falls"});
  f("numerics", c.numerics, {.help = "type of the products' operands; sums, master weights and states are f32", .choices = {"f32", "bf16", "f16"}});
  f("batch_size", c.batch_size, {.help = "examples of a micro-batch", .min = 1});
  f("batch_tokens", c.batch_tokens, {.help = "fill each micro-batch with whole examples up to this many tokens instead; 0: no", .min = 0, .unit = "tokens"});
  f("accumulation", c.accumulation, {.help = "micro-batches of one optimiser step", .min = 1});
  f("epochs", c.epochs, {.help = "passes over the examples", .min = 0});
  f("max_steps", c.max_steps, {.help = "optimiser steps, instead of epochs", .min = 1, .unit = "steps"});
  f("clip", c.clip, {.help = "largest global norm of the gradients; 0: none", .min = 0});
  f("decay_embeddings", c.decay_embeddings, {.help = "weight decay on the embedding table too; norms and biases never decay"});
  f("checkpointing", c.checkpointing, {.help = "keep only the residual stream between layers and compute the rest again: less memory, same bits"});
  f("shuffle", c.shuffle, {.help = "another order of the examples in each epoch"});
  f("seed", c.seed, {.help = "of weights, order and dropout"});
  f("dtype", c.dtype, {.help = "type of the weights that are written at the end", .choices = {"f32", "bf16", "f16"}});
  f("log_every", c.log_every, {.help = "steps between rows of the log", .min = 1, .unit = "steps"});
  f("eval_every", c.eval_every, {.help = "steps between evaluations; 0: at the end only", .min = 0, .unit = "steps"});
  f("save_every", c.save_every, {.help = "steps between checkpoints; 0: at the end only", .min = 0, .unit = "steps"});
  f("keep", c.keep, {.help = "checkpoints that are kept besides the best one", .min = 1, .max = 1000});
  f("trackers", c.trackers, {.help = "where the numbers go: see `vauban list trackers`"});
  f("allow_changed_data", c.allow_changed_data, {.help = "resume although the examples are not those the run began with"});
}

Result<void> check(const TrainingConfig& config) {
  if (config.base.empty() == !config.init.has_value())
    return invalid_input("training: give either `base` (a model) or an [init] table, found {}",
                         config.init ? "both" : "neither");
  if (config.init && config.method == "lora")
    return invalid_input("training: method \"lora\" needs a `base`; random weights have nothing to adapt");
  if (config.lora && config.method != "lora")
    return with_hint(invalid_input("training: a [lora] table, and method \"{}\"", config.method), "say method = \"lora\", or remove the table");
  for (std::size_t i = 0; i < config.trackers.size(); ++i) {
    const auto is = [&](const TrackerEntry& entry) { return entry.id == config.trackers[i]; };
    if (std::ranges::none_of(all_trackers(), is))
      return with_hint(not_found("training: unknown tracker '{}'", config.trackers[i]), "see `vauban list trackers`");
    if (std::find(config.trackers.begin(), config.trackers.begin() + static_cast<std::ptrdiff_t>(i), config.trackers[i]) !=
        config.trackers.begin() + static_cast<std::ptrdiff_t>(i))
      return invalid_input("training: tracker '{}' is named twice", config.trackers[i]);
  }
  if (config.data.train.empty()) return invalid_input("training: [data] `train` names no file");
  if (config.early_stopping && config.data.eval.empty() && config.data.eval_fraction == 0.0)
    return with_hint(invalid_input("training: [early_stopping] needs held-out examples"),
                     "give [data] `eval` or `eval_fraction`");
  if (config.early_stopping && config.eval_every == 0)
    return invalid_input("training: [early_stopping] needs `eval_every`");
  const bool holds_out = !config.data.eval.empty() || config.data.eval_fraction > 0.0;
  if (config.eval_every > 0 && !holds_out)
    return with_hint(invalid_input("training: `eval_every` needs held-out examples"), "give [data] `eval` or `eval_fraction`");
  if (config.schedule.id == "reduce_on_plateau" && config.eval_every == 0)
    return invalid_input("training: schedule \"reduce_on_plateau\" follows the held-out loss and needs `eval_every`");
  if (!config.data.eval.empty() && config.data.eval_fraction > 0.0)
    return invalid_input("training: [data] names `eval` files and an `eval_fraction`: expected one of them");
  if (!config.max_steps && config.epochs <= 0.0) return invalid_input("training: expected epochs above 0 or max_steps");
  return ok();
}

Result<std::string> resume_digest(const TrainingConfig& config) {
  TrainingConfig lasting = config;
  lasting.out.clear();
  lasting.base.clear();  // the weights themselves are compared by digest
  if (lasting.init) lasting.init->config = lasting.init->tokenizer = "";
  lasting.data.train.clear();
  lasting.data.eval.clear();
  lasting.log_every = 1;
  lasting.save_every = 0;
  lasting.keep = 1;
  lasting.trackers.clear();
  lasting.checkpointing = false;
  lasting.allow_changed_data = false;
  VB_TRY(const std::string text, to_json(lasting).dump());
  return sha256_hex(text);
}

}  // namespace vauban
