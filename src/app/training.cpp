#include "app/training.h"

#include <unistd.h>

#include <cmath>
#include <fstream>

#include "app/open.h"
#include "backends/backends.h"
#include "base/process_memory.h"
#include "train/trainer.h"
#include "train/training_plan.h"

namespace vauban {
namespace {

class TrainingPrinter final : public TrainingObserver {
 public:
  explicit TrainingPrinter(Output& out) : out_(out) {}

  Result<void> on_begin(const Json& facts) override {
    const auto count = [&](const char* key) { return facts.find(key)->as_int(); };
    out_.note(format("{} parameters train on {} examples, {} steps{}", count("trainable_parameters"), count("examples"),
                     count("steps"), count("first_step") > 0 ? format(", resuming behind step {}", count("first_step")) : ""));
    return ok();
  }
  Result<void> on_step(const StepReport& r) override {
    if (out_.json())
      return out_.print_json_line(Json::object({{"step", r.step},
                                                {"loss", std::isfinite(r.loss) ? Json(r.loss) : Json()},
                                                {"lr", r.lr},
                                                {"grad_norm", r.skipped ? Json() : Json(r.grad_norm)},
                                                {"tokens_per_s", r.tokens_per_s},
                                                {"eta_s", r.eta_s},
                                                {"epoch", r.epoch},
                                                {"tokens", r.tokens},
                                                {"target_tokens", r.target_tokens},
                                                {"skipped", r.skipped}}));
    out_.text(format("step {:>6}/{}  loss {:.4f}  lr {:.2e}  norm {:.3f}  {:.0f} tok/s  ETA {:.0f} s{}\n", r.step,
                     r.total_steps, r.loss, r.lr, r.grad_norm, r.tokens_per_s, r.eta_s, r.skipped ? "  skipped" : ""));
    return ok();
  }
  Result<void> on_eval(const EvalReport& r) override {
    if (out_.json())
      return out_.print_json_line(Json::object({{"step", r.step}, {"eval_loss", r.loss}, {"eval_tokens", r.target_tokens}, {"is_best", r.is_best}}));
    out_.text(format("step {:>6}  held-out loss {:.4f} over {} tokens{}\n", r.step, r.loss, r.target_tokens, r.is_best ? "  best" : ""));
    return ok();
  }

 private:
  Output& out_;
};

Result<ModelSource> open_base(const TrainingConfig& config) {
  if (config.init) return open_random_base(config);
  return open_single_source(config.base);
}

struct Resident {
  std::int64_t of_files = 0, anonymous = 0;
};
Resident resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total = 0, resident = 0, of_files = 0;
  statm >> total >> resident >> of_files;
  const std::int64_t page = sysconf(_SC_PAGESIZE);
  return {.of_files = of_files * page, .anonymous = (resident - of_files) * page};
}
std::int64_t anonymous_bytes() { return resident_bytes().anonymous; }

}  // namespace

Result<int> run_training(const TrainingConfig& config, Session& session) {
  VB_CHECK(check(config));
  VB_TRY(const auto ops, make_training_backend(session.options().backend, session.context(), session.options().device, config.numerics));
  VB_TRY(ModelSource base, open_base(config));
  TrainingPrinter printer(session.out());
  VB_TRY(const TrainingOutcome outcome, train(config, std::move(base), *ops, session.context(), printer));
  if (session.out().json()) {
    const auto peak = peak_resident_bytes();
    VB_CHECK(session.out().print_json_line(Json::object({{"done", true},
                                                         {"steps", outcome.steps},
                                                         {"checkpoint", outcome.checkpoint.string()},
                                                         {"model", outcome.model.string()},
                                                         {"eval", Json::optional(outcome.eval_loss ? &*outcome.eval_loss : nullptr)},
                                                         {"stopped_early", outcome.stopped_early},
                                                         {"peak_memory_bytes", Json::optional(peak ? &*peak : nullptr)}})));
    return 0;
  }
  session.out().text(format("{} after {} steps: {}\n", outcome.stopped_early ? "stopped early" : "done", outcome.steps, outcome.model.string()));
  return 0;
}

Result<int> plan_training(const TrainingConfig& config, Session& session) {
  VB_CHECK(check(config));
  VB_TRY(const auto ops, make_training_rehearsal(session.options().backend, session.context(), config.numerics));
  const std::int64_t program_bytes = resident_bytes().of_files;  // before the base is mapped
  VB_TRY(ModelSource base, open_base(config));
  VB_TRY(const TrainingPlan plan, plan_training_run(config, std::move(base), *ops, session.context(), program_bytes, anonymous_bytes));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(to_json(plan)));
    return 0;
  }
  session.out().text(format("{} steps over {} examples ({} tokens, {} targets per epoch)\n{} of {} parameters train\npeak memory {} MiB\n",
                            plan.steps, plan.examples, plan.tokens_per_epoch, plan.target_tokens_per_epoch, plan.trainable,
                            plan.parameters, plan.peak_bytes() >> 20));
  return 0;
}

}  // namespace vauban
