#include "train/training_plan.h"

#include <algorithm>

#include "train/trained_model.h"
#include "train/training_data.h"

namespace vauban {
namespace {

/// Steps after which the blocks of all common sizes have been taken.
constexpr std::int64_t kRehearsedSteps = 20;

std::int64_t bytes_of(const Shape& shape, DType dtype) {
  return static_cast<std::int64_t>(size_bytes(dtype, shape).value_or(0));
}

std::int64_t held(Ops& ops) { return ops.take_counters().memory_high_water_bytes; }

Result<void> rehearse(TrainedModel& trained, const TrainingData& data, const TrainingConfig& config,
                      std::int64_t steps) {
  VB_TRY(BatchOrder order, BatchOrder::start(data.train.lengths(), batch_options(config)));
  for (std::int64_t i = 0; i < std::min(steps, kRehearsedSteps) * config.accumulation; ++i) {
    const TrainingBatch batch = training_batch(data.train, order.next());
    if (batch.targets.empty()) continue;
    trained.tape().begin_step();
    trained.forward(batch.batch);
    const std::vector<double> coefficients(batch.targets.size(), 1.0);
    VB_CHECK(trained.tape().backward(batch.targets, coefficients));
    VB_CHECK(trained.tape().end_step());
    if (config.numerics != "f32") trained.tape().parameters_changed();
  }
  return ok();
}

}  // namespace

Json to_json(const TrainingPlan& p) {
  return Json::object({{"steps", p.steps},
                       {"examples", p.examples},
                       {"eval_examples", p.eval_examples},
                       {"tokens_per_epoch", p.tokens_per_epoch},
                       {"target_tokens_per_epoch", p.target_tokens_per_epoch},
                       {"parameters", p.parameters},
                       {"trainable_parameters", p.trainable},
                       {"memory", Json::object({{"peak_bytes", p.peak_bytes()},
                                                {"weights_and_gradients_bytes", p.weight_bytes},
                                                {"activation_bytes", p.activation_bytes},
                                                {"optimizer_bytes", p.optimizer_bytes},
                                                {"checkpoint_bytes", p.checkpoint_bytes},
                                                {"file_bytes", p.file_bytes},
                                                {"process_bytes", p.process_bytes}})}});
}

Result<TrainingPlan> plan_training_run(const TrainingConfig& config, ModelSource base, Ops& rehearsal,
                                       const Context& context, std::int64_t program_bytes,
                                       std::int64_t (*anonymous_bytes)()) {
  TrainingPlan plan;
  for (const auto& file : base.file->files()) plan.file_bytes += std::ssize(file->bytes());
  VB_TRY(const auto chat, load_chat_template(base));
  VB_TRY(const auto trained, TrainedModel::open(config, std::move(base), rehearsal, context));
  const Model& model = trained->model();
  if (!model.tokenizer) return invalid_input("{} carries no tokenizer: there is nothing to read the examples with", model.identity.path);
  VB_TRY(const TrainingData data, TrainingData::load(config, *model.tokenizer, chat.get(), context));
  VB_CHECK(check_lengths(data, model.config.context_length));
  VB_TRY(plan.steps, total_steps(config, data.train));
  plan.examples = std::ssize(data.train.examples());
  plan.eval_examples = data.eval ? std::ssize(data.eval->examples()) : 0;
  plan.tokens_per_epoch = data.train.counts().tokens;
  plan.target_tokens_per_epoch = data.train.counts().target_tokens;
  for (const TensorSpec& spec : model.architecture->tensors(model.config))
    if (!(model.config.tied_head && spec.role == TensorRole::head)) plan.parameters += spec.shape.elements();
  plan.trainable = trained->trainable();

  VB_TRY(const auto optimizer, make_optimizer(config.optimizer, context));
  for (const ParameterSlot& slot : trained->slots()) {
    plan.checkpoint_bytes += bytes_of(slot.shape, slot.dtype);
    for (const StateSpec& state : optimizer->state_layout(slot)) plan.optimizer_bytes += bytes_of(state.shape, state.dtype);
  }
  plan.process_bytes = program_bytes + anonymous_bytes();
  plan.weight_bytes = held(rehearsal);
  VB_CHECK(rehearse(*trained, data, config, plan.steps));
  plan.activation_bytes = held(rehearsal) - plan.weight_bytes;
  return plan;
}

}  // namespace vauban
