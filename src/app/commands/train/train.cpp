/// vauban train CONFIG.toml: fine-tunes a model, or trains one from random weights.

#include "app/command.h"
#include "app/training.h"
#include "base/config/reader.h"

namespace vauban {
namespace {

struct TrainCommandConfig {
  std::string config;
  bool plan = false, allow_changed_data = false;
  CommonOptions common;
};

void fields(TrainCommandConfig& c, FieldVisitor& f) {
  f("config", c.config, {.help = "TOML file: see `vauban schema training`", .required = true, .positional = true, .metavar = "CONFIG.toml", .file = true});
  f("plan", c.plan, {.help = "say how many steps and how much memory it takes, and stop"});
  f("allow_changed_data", c.allow_changed_data, {.help = "resume although the examples are not those the run began with"});
  fields(c.common, f);
}

Result<int> run_train(const TrainCommandConfig& command, Session& session) {
  ReadNotes notes;
  VB_TRY(TrainingConfig config, read_toml_file<TrainingConfig>(command.config, &notes));
  for (const ReadNote& note : notes.notes) session.out().note(format("note: {}: {}", note.path, note.text));
  config.allow_changed_data |= command.allow_changed_data;
  if (session.was_given("seed")) config.seed = session.options().seed;
  return command.plan ? plan_training(config, session) : run_training(config, session);
}

}  // namespace

Command train_command() {
  return make_command<TrainCommandConfig>(
      {"train", "fine-tune a model, or train one from random weights",
       "The file names a base model (or [init]), examples, what is trained (every weight or LoRA pairs), optimiser and schedule. "
       "The run folder holds the log, checkpoints and at the end the model or adapter; the same command resumes after a stop, with "
       "the bits of an undisturbed run. With --json: one line per logged step, and a last one with `done`."},
      run_train);
}

}  // namespace vauban
