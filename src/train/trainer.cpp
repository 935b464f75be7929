#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/config/dump.h"
#include "base/config/reader.h"
#include "base/files.h"
#include "base/json_file.h"
#include "train/checkpoint/checkpoint_folder.h"
#include "train/clip.h"
#include "train/loss_scale.h"
#include "train/random_init.h"
#include "train/trackers/tracker.h"
#include "train/trained_model.h"
#include "train/training_data.h"

namespace vauban {
namespace {

constexpr const char* kSummaryFile = "training.json";
constexpr const char* kConfigFile = "config.toml";

/// Streams of random numbers of dropout masks, apart from those that orders and initial weights draw from.
constexpr std::uint64_t kDropoutStreams = std::uint64_t{0xD0} << 56;

Error diverged(std::int64_t step, double loss, double grad_norm) {
  return with_hint(corrupt("training diverged at step {}: loss {}, gradient norm {}", step, loss, grad_norm),
                   "lower the learning rate, warm up longer, or look for damaged examples");
}

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

/// What changes from step to step. Kept in checkpoints.
struct Progress {
  std::int64_t step = 0;
  std::optional<double> best;
  std::int64_t evaluations_without_gain = 0;
  bool evaluation_due = false;  ///< the last step asked for one, and it has not been made yet
  Json history = Json::array();
};

class Run {
 public:
  static Result<std::unique_ptr<Run>> open(const TrainingConfig& config, ModelSource base, Ops& ops,
                                           const Context& context, TrainingObserver& observer);
  Result<TrainingOutcome> execute();

 private:
  Run(const TrainingConfig& config, const Context& context, TrainingObserver& observer)
      : config_(config), context_(context), observer_(observer), scale_(config.numerics == "f16") {}

  Result<bool> resume();
  Result<bool> began_before() const;
  Result<void> open_trackers(bool resumed);
  Result<void> loop();
  Result<StepReport> step();
  Result<double> accumulate(std::span<const std::vector<std::size_t>> micro_batches, StepReport& report);
  Result<void> move(StepReport& report);
  Result<bool> evaluate();
  Result<void> save(bool is_best);
  Result<void> stop();
  Result<void> log(const StepReport& report);
  Result<void> track(std::map<std::string, double> metrics);
  bool is_out_of_patience() const;
  bool is_evaluation_step() const;
  bool is_done() const { return !progress_.evaluation_due && (progress_.step >= total_ || is_out_of_patience()); }
  Result<TrainingOutcome> finish();
  Result<void> restore_best();
  TrainingState state() const;
  Result<Json> summary(const TrainingOutcome& outcome) const;
  SafetensorsMetadata lineage() const;
  std::filesystem::path folder() const { return config_.out; }
  std::filesystem::path model_folder() const { return folder() / (config_.method == "lora" ? "adapter" : "model"); }

  const TrainingConfig& config_;
  const Context& context_;
  TrainingObserver& observer_;
  std::unique_ptr<TrainedModel> trained_;
  std::optional<TrainingData> data_;
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<Schedule> schedule_;
  std::optional<BatchOrder> order_;
  std::optional<CheckpointFolder> checkpoints_;
  CheckpointSchema schema_;
  std::vector<std::unique_ptr<Tracker>> trackers_;
  std::string config_digest_;
  LossScale scale_;
  std::int64_t total_ = 0;
  Progress progress_;
  std::filesystem::path last_checkpoint_;
  std::optional<double> eval_loss_;
  double step_s_ = 0.0;  ///< running mean
};

Result<std::unique_ptr<Run>> Run::open(const TrainingConfig& config, ModelSource base, Ops& ops,
                                       const Context& context, TrainingObserver& observer) {
  std::unique_ptr<Run> run(new Run(config, context, observer));
  VB_TRY(const auto chat, load_chat_template(base));
  VB_TRY(run->trained_, TrainedModel::open(config, std::move(base), ops, context));
  const Model& model = run->trained_->model();
  if (!model.tokenizer) return invalid_input("{} carries no tokenizer: there is nothing to read the examples with", model.identity.path);
  VB_TRY(run->data_, TrainingData::load(config, *model.tokenizer, chat.get(), context));
  VB_CHECK(check_lengths(*run->data_, model.config.context_length));
  VB_TRY(run->total_, total_steps(config, run->data_->train));
  VB_TRY(run->optimizer_, make_optimizer(config.optimizer, context));
  VB_CHECK(run->optimizer_->prepare(run->trained_->slots()));
  VB_TRY(run->schedule_, Schedule::make(config.schedule, config.optimizer.lr, run->total_));
  VB_TRY(run->order_, BatchOrder::start(run->data_->train.lengths(), batch_options(config)));
  VB_TRY(run->config_digest_, resume_digest(config));
  VB_TRY(run->checkpoints_, CheckpointFolder::open(run->folder() / "checkpoints", config.keep));
  run->schema_ = schema_of(run->trained_->slots(), *run->optimizer_);
  VB_TRY(const bool resumed, run->resume());
  if (!resumed && std::filesystem::exists(run->model_folder()))
    return with_hint(invalid_input("{} exists, and no run of this folder made it", run->model_folder().string()),
                     "choose another `out`, or move it away");
  VB_CHECK(write_file_atomic(run->folder() / kConfigFile, to_toml(config, config.out)));
  VB_CHECK(run->open_trackers(resumed));
  return run;
}

/// Whether rows of the folder's logs may belong to this run.
Result<bool> Run::resume() {
  const Result<std::filesystem::path> latest = checkpoints_->latest();
  if (!latest && latest.error().code != ErrorCode::not_found) return latest.error();
  if (!latest) return began_before();
  const ResumeCheck check{.config_digest = config_digest_,
                          .data_digest = data_->digest(),
                          .base_digest = trained_->source().file->digest(),
                          .allow_changed_data = config_.allow_changed_data};
  VB_TRY(const TrainingState state, load_checkpoint(*latest, schema_, check), "while resuming from {}", latest->string());
  VB_CHECK(restore_weights(state.weights, trained_->slots()));
  VB_CHECK(optimizer_->restore(trained_->slots(), state.optimizer));
  VB_CHECK(schedule_->restore(state.schedule));
  if (state.data_digest == data_->digest()) {  // changed examples, where allowed, are read from their beginning
    VB_TRY(order_, BatchOrder::resume(data_->train.lengths(), batch_options(config_), state.data_position));
  }
  trained_->tape().parameters_changed();
  progress_ = {.step = state.step, .best = state.best_metric, .history = state.history};
  VB_TRY(progress_.evaluations_without_gain, state.extra.get_int("evaluations_without_gain"));
  const Json* due = state.extra.find("evaluation_due");
  progress_.evaluation_due = due && due->is_bool() && due->as_bool();
  VB_TRY(const double scale, state.extra.get_double("loss_scale"));
  VB_TRY(const std::int64_t good_steps, state.extra.get_int("good_steps"));
  scale_.restore(scale, good_steps);
  last_checkpoint_ = *latest;
  return true;
}

/// A run that was killed before its first checkpoint left logs: they are begun again, if they are of this run.
Result<bool> Run::began_before() const {
  const std::filesystem::path path = folder() / kConfigFile;
  if (!std::filesystem::exists(path)) return false;
  VB_TRY(TrainingConfig earlier, read_toml_file<TrainingConfig>(path));
  VB_TRY(const std::string digest, resume_digest(earlier));
  if (digest == config_digest_) return true;
  return with_hint(invalid_input("{} holds a run of another configuration", folder().string()), "choose another `out`");
}

Result<void> Run::open_trackers(bool resumed) {
  std::vector<std::string> ids{"jsonl"};
  for (const std::string& id : config_.trackers)
    if (id != "jsonl") ids.push_back(id);
  for (const std::string& id : ids) {
    const std::optional<std::int64_t> from = resumed ? std::optional(progress_.step) : std::nullopt;
    VB_TRY(auto tracker, make_tracker(id, {.folder = folder(), .resumed_step = from, .clock = context_.clock}));
    trackers_.push_back(std::move(tracker));
  }
  return ok();
}

Result<TrainingOutcome> Run::execute() {
  VB_CHECK(observer_.on_begin(Json::object({{"trainable_parameters", trained_->trainable()},
                                            {"examples", data_->train.examples().size()},
                                            {"eval_examples", data_->eval ? data_->eval->examples().size() : std::size_t{0}},
                                            {"steps", total_},
                                            {"first_step", progress_.step}})));
  VB_CHECK(loop());
  context_.progress.finish("train");
  return finish();
}

Result<void> Run::loop() {
  while (!is_done()) {
    if (context_.cancel.cancelled()) return stop();
    if (!progress_.evaluation_due) {
      VB_TRY(const StepReport report, step());
      VB_CHECK(log(report));
      progress_.evaluation_due = is_evaluation_step();
    }
    bool is_best = false;
    if (progress_.evaluation_due) {
      const Result<bool> evaluated = evaluate();
      if (!evaluated && evaluated.error().code == ErrorCode::cancelled) return stop();
      VB_TRY(is_best, evaluated);
    }
    const bool due = config_.save_every > 0 && progress_.step % config_.save_every == 0;
    if (due || is_done() || is_best) VB_CHECK(save(is_best));
  }
  return ok();
}

bool Run::is_evaluation_step() const {
  if (!data_->eval) return false;
  return progress_.step >= total_ || (config_.eval_every > 0 && progress_.step % config_.eval_every == 0);
}

Result<void> Run::stop() {
  VB_CHECK(save(false));
  return with_hint(cancelled("training stopped after step {} of {}", progress_.step, total_),
                   "the same command goes on from there");
}

Result<StepReport> Run::step() {
  const auto start = context_.clock.monotonic();
  StepReport report{.step = progress_.step + 1, .total_steps = total_, .epoch = order_->epoch()};
  std::vector<std::vector<std::size_t>> micro_batches;
  for (std::int64_t i = 0; i < config_.accumulation; ++i) micro_batches.push_back(order_->next());
  trained_->tape().zero_gradients();
  VB_TRY(report.loss, accumulate(micro_batches, report));
  VB_CHECK(move(report));
  ++progress_.step;
  const double time = seconds(context_.clock.monotonic() - start);
  report.tokens_per_s = time > 0.0 ? static_cast<double>(report.tokens) / time : 0.0;
  step_s_ = step_s_ == 0.0 ? time : 0.9 * step_s_ + 0.1 * time;
  report.eta_s = step_s_ * static_cast<double>(total_ - progress_.step);
  context_.progress.update("train", static_cast<std::uint64_t>(progress_.step), static_cast<std::uint64_t>(total_), "steps");
  return report;
}

/// Adds the gradients of all micro-batches; every target token of the step weighs the same.
Result<double> Run::accumulate(std::span<const std::vector<std::size_t>> micro_batches, StepReport& report) {
  std::vector<TrainingBatch> batches;
  for (const auto& examples : micro_batches) {
    batches.push_back(training_batch(data_->train, examples));
    report.tokens += std::ssize(batches.back().batch.ids);
    report.target_tokens += std::ssize(batches.back().targets);
  }
  const double weight = 1.0 / static_cast<double>(std::max<std::int64_t>(1, report.target_tokens));
  Tape& tape = trained_->tape();
  double sum = 0.0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (batches[i].targets.empty()) continue;
    const auto call = static_cast<std::uint64_t>(progress_.step * config_.accumulation) + i;
    tape.set_dropout({.seed = config_.seed, .stream = kDropoutStreams | call << 20});  // a million masks for each micro-batch
    tape.begin_step();
    trained_->forward(batches[i].batch);
    const std::vector<double> coefficients(batches[i].targets.size(), -weight * scale_.value());
    VB_TRY(const std::vector<double> logprobs, tape.backward(batches[i].targets, coefficients));
    VB_CHECK(tape.end_step());
    sum += std::accumulate(logprobs.begin(), logprobs.end(), 0.0);
  }
  return -sum * weight;
}

Result<void> Run::move(StepReport& report) {
  report.lr = schedule_->at(progress_.step);
  report.grad_norm = global_norm(trained_->slots(), context_.pool) / scale_.value();
  if (!std::isfinite(report.grad_norm) || !std::isfinite(report.loss)) {
    report.skipped = scale_.overflowed();
    if (report.skipped) return ok();
    return diverged(report.step, report.loss, report.grad_norm);
  }
  const double clip = config_.clip > 0.0 ? clip_factor(report.grad_norm, config_.clip) : 1.0;
  VB_CHECK(optimizer_->step(trained_->slots(), report.lr, clip / scale_.value()));
  trained_->tape().parameters_changed();
  scale_.good_step();
  return ok();
}

/// Micro-batches as in training, but room for a held-out example longer than those.
BatchOptions eval_batches(const TrainingConfig& config, const std::vector<std::int64_t>& lengths) {
  BatchOptions options = batch_options(config);
  options.shuffle = false;
  if (options.batch_tokens > 0) options.batch_tokens = std::max(options.batch_tokens, *std::max_element(lengths.begin(), lengths.end()));
  return options;
}

/// Whether it is the best so far.
Result<bool> Run::evaluate() {
  EvalReport report{.step = progress_.step};
  const std::vector<std::int64_t> lengths = data_->eval->lengths();
  VB_TRY(auto order, BatchOrder::start(lengths, eval_batches(config_, lengths)));
  Tape& tape = trained_->tape();
  tape.set_recording(false);
  double sum = 0.0;
  while (order.epoch() == 0) {
    VB_CHECK(context_.cancel.check());
    const TrainingBatch batch = training_batch(*data_->eval, order.next());
    if (batch.targets.empty()) continue;
    tape.begin_step();
    trained_->forward(batch.batch);
    VB_TRY(const std::vector<double> logprobs, tape.logprobs(batch.targets));
    VB_CHECK(tape.end_step());
    sum += std::accumulate(logprobs.begin(), logprobs.end(), 0.0);
    report.target_tokens += std::ssize(batch.targets);
  }
  tape.set_recording(true);
  report.loss = -sum / static_cast<double>(std::max<std::int64_t>(1, report.target_tokens));
  if (!std::isfinite(report.loss)) return diverged(report.step, report.loss, 0.0);
  eval_loss_ = report.loss;
  const double needed = config_.early_stopping ? config_.early_stopping->min_delta : 0.0;
  report.is_best = (!progress_.best || report.loss < *progress_.best - needed);
  if (report.is_best) progress_.best = report.loss;
  progress_.evaluations_without_gain = report.is_best ? 0 : progress_.evaluations_without_gain + 1;
  schedule_->observe(report.loss);
  progress_.history.push_back(Json::object({{"step", report.step}, {"eval_loss", report.loss}}));
  progress_.evaluation_due = false;
  VB_CHECK(observer_.on_eval(report));
  VB_CHECK(track({{"eval_loss", report.loss}}));
  return report.is_best;
}

bool Run::is_out_of_patience() const {
  return config_.early_stopping && progress_.evaluations_without_gain >= config_.early_stopping->patience;
}

Result<void> Run::log(const StepReport& report) {
  if (progress_.step % config_.log_every != 0 && progress_.step != total_) return ok();
  VB_CHECK(observer_.on_step(report));
  return track({{"loss", report.loss},
                {"lr", report.lr},
                {"grad_norm", report.grad_norm},
                {"epoch", static_cast<double>(report.epoch)},
                {"target_tokens", static_cast<double>(report.target_tokens)},
                {"tokens_per_s", report.tokens_per_s},
                {"skipped", report.skipped ? 1.0 : 0.0}});
}

Result<void> Run::track(std::map<std::string, double> metrics) {
  const double now = seconds(context_.clock.utc().time_since_epoch());
  for (const auto& tracker : trackers_)
    VB_CHECK(tracker->log({.step = progress_.step, .wall_time_s = now, .metrics = metrics}));
  return ok();
}

TrainingState Run::state() const {
  TrainingState state{.weights = copy_weights(trained_->slots()),
                      .optimizer = optimizer_->state(),
                      .step = progress_.step,
                      .epoch = order_->epoch(),
                      .data_position = order_->position(),
                      .rng = Json::object({{"seed", config_.seed}, {"next_micro_batch", progress_.step * config_.accumulation}}),
                      .schedule = schedule_->state(),
                      .history = progress_.history,
                      .extra = Json::object({{"evaluations_without_gain", progress_.evaluations_without_gain},
                                             {"evaluation_due", progress_.evaluation_due},
                                             {"loss_scale", scale_.value()},
                                             {"good_steps", scale_.good_steps()}}),
                      .best_metric = progress_.best};
  state.config_digest = config_digest_;
  state.data_digest = data_->digest();
  state.base_digest = trained_->source().file->digest();
  return state;
}

Result<void> Run::save(bool is_best) {
  for (const auto& tracker : trackers_) VB_CHECK(tracker->sync());  // the log never lacks rows of a checkpoint
  VB_TRY(last_checkpoint_, checkpoints_->save(state(), schema_, is_best));
  return ok();
}

Result<void> Run::restore_best() {
  if (!config_.early_stopping || !config_.early_stopping->restore_best) return ok();
  const Result<std::filesystem::path> best = checkpoints_->best();
  if (!best && best.error().code != ErrorCode::not_found) return best.error();
  if (!best) return ok();
  VB_TRY(const CheckpointWeights weights, load_weights(*best));
  VB_CHECK(restore_weights(weights.tensors, trained_->slots()));
  trained_->tape().parameters_changed();
  eval_loss_ = progress_.best;
  return ok();
}

SafetensorsMetadata Run::lineage() const {
  return {{"vauban.base", trained_->source().name},
          {"vauban.base_digest", trained_->source().file->digest()},
          {"vauban.data_digest", data_->digest()},
          {"vauban.config_digest", config_digest_},
          {"vauban.steps", std::to_string(progress_.step)},
          {"vauban.transform", config_.method == "lora" ? "train/lora" : "train/full"}};
}

Result<TrainingOutcome> Run::finish() {
  VB_CHECK(restore_best());
  if (!eval_loss_ && !progress_.history.items().empty()) {
    VB_TRY(eval_loss_, progress_.history.items().back().get_double("eval_loss"));
  }
  TrainingOutcome outcome{.steps = progress_.step,
                          .checkpoint = last_checkpoint_,
                          .model = model_folder(),
                          .eval_loss = eval_loss_,
                          .stopped_early = progress_.step < total_};
  const bool complete = std::filesystem::exists(folder() / kSummaryFile) && std::filesystem::exists(outcome.model);
  if (complete) return outcome;
  std::error_code ignored;
  std::filesystem::remove_all(outcome.model, ignored);  // what a killed run left; it is made again from the checkpoint
  const DType dtype = config_.dtype == "f32" ? DType::f32 : config_.dtype == "bf16" ? DType::bf16 : DType::f16;
  VB_CHECK(trained_->write(outcome.model, dtype, lineage()));
  VB_TRY(const Json facts, summary(outcome));
  VB_CHECK(write_json_file(folder() / kSummaryFile, facts));
  return outcome;
}

Result<Json> Run::summary(const TrainingOutcome& outcome) const {
  return Json::object({{"schema_version", 1},
                       {"steps", outcome.steps},
                       {"stopped_early", outcome.stopped_early},
                       {"eval_loss", outcome.eval_loss ? Json(*outcome.eval_loss) : Json()},
                       {"trainable_parameters", trained_->trainable()},
                       {"examples", data_->train.examples().size()},
                       {"base", Json::object({{"name", trained_->source().name}, {"digest", trained_->source().file->digest()}})},
                       {"data_digest", data_->digest()},
                       {"config_digest", config_digest_},
                       {"config", to_json(config_)}});
}

Result<void> make_run_folder(const TrainingConfig& config) {
  std::error_code failure;
  std::filesystem::create_directories(config.out, failure);
  if (failure) return io("cannot make the folder {}: {}", config.out, failure.message());
  return ok();
}

/// The run writes there, and makes some of its folders again.
Result<void> refuse_base_inside(const TrainingConfig& config) {
  std::error_code ignored;
  const auto out = std::filesystem::weakly_canonical(config.out, ignored);
  const auto base = std::filesystem::weakly_canonical(config.base, ignored);
  const bool inside = !config.base.empty() && std::filesystem::exists(config.base, ignored) &&
                      std::mismatch(out.begin(), out.end(), base.begin(), base.end()).first == out.end();
  if (!inside) return ok();
  return with_hint(invalid_input("the base {} lies inside the run folder {}", config.base, config.out), "choose another `out`");
}

}  // namespace

Result<ModelSource> open_random_base(const TrainingConfig& config) {
  const std::filesystem::path folder = std::filesystem::path(config.out) / "init";
  VB_CHECK(make_run_folder(config));
  if (std::filesystem::exists(folder)) {
    VB_TRY(const bool same, is_random_model(*config.init, config.seed, folder));
    if (same) return ModelSource::open(folder);
    VB_TRY(const ModelSource found, ModelSource::open(folder));
    if (!found.file->metadata().find("vauban.init"))
      return with_hint(invalid_input("{} is a model that no [init] made", folder.string()), "choose another `out`");
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);  // of an earlier configuration; equal settings make it again
  }
  VB_CHECK(write_random_model(*config.init, config.seed, folder));
  return ModelSource::open(folder);
}

Result<TrainingOutcome> train(const TrainingConfig& config, ModelSource base, Ops& ops, const Context& context,
                              TrainingObserver& observer) {
  VB_CHECK(check(config));
  VB_CHECK(make_run_folder(config));
  VB_CHECK(refuse_base_inside(config));
  VB_TRY(const std::unique_ptr<Run> run, Run::open(config, std::move(base), ops, context, observer));
  return run->execute();
}

}  // namespace vauban
