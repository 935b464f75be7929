#include "app/commands/profile/sweep_plan.h"

#include <algorithm>

#include "base/rng.h"

namespace vauban {
namespace {

constexpr std::size_t kLoadsOfAFit = 5;

std::vector<std::int64_t> default_values(SweepAxis axis) {
  if (axis == SweepAxis::token_count) return {8, 16, 32, 64, 128};
  return {1, 2, 4, 8, 16};
}

Result<std::vector<std::int64_t>> values_of(const ProfileConfig& config, SweepAxis axis) {
  std::vector<std::int64_t> values = config.values.empty() ? default_values(axis) : config.values;
  std::ranges::sort(values);
  const std::int64_t least = axis == SweepAxis::queue_depth ? 0 : 1;
  if (values.front() < least)
    return invalid_input("--values: {} starts at {}, found {}", to_string(axis), least, values.front());
  if (const auto twice = std::ranges::adjacent_find(values); twice != values.end())
    return invalid_input("--values: {} was given twice", *twice);
  if (config.fit == "none") return values;
  if (values.size() < kLoadsOfAFit)
    return invalid_input("--fit {} needs {} distinct --values or more, found {}", config.fit, kLoadsOfAFit,
                         values.size());
  if (values.front() < 1)
    return invalid_input("--fit {}: the law starts at 1, found the value {}", config.fit, values.front());
  return values;
}

SweepRun run_at(const ProfileConfig& config, const SweepPlan& plan, std::int64_t value, int repetition) {
  SweepRun run{.value = value, .repetition = repetition, .requests = 1, .prompt_tokens = config.prompt_tokens};
  if (plan.axis == SweepAxis::token_count) run.prompt_tokens = value;
  if (plan.axis == SweepAxis::batch_size) run.requests = value;
  if (plan.axis == SweepAxis::queue_depth) run.requests = plan.max_batch + value;
  return run;
}

int batch_of(const ProfileConfig& config, const SweepPlan& plan) {
  if (plan.axis == SweepAxis::token_count) return 1;
  return plan.axis == SweepAxis::batch_size ? static_cast<int>(plan.values.back()) : config.max_batch;
}

Result<void> check_context(const ProfileConfig& config, const SweepPlan& plan, std::int64_t context_length) {
  const bool by_length = plan.axis == SweepAxis::token_count;
  const std::int64_t prompt = by_length ? plan.values.back() : config.prompt_tokens;
  const std::int64_t positions = prompt + std::max(0, config.max_tokens - 1);
  if (context_length <= 0 || positions <= context_length) return ok();
  return invalid_input("{} {} and --max-tokens {} take {} positions; the context of the model has {}",
                       by_length ? "--values" : "--prompt-tokens", prompt, config.max_tokens, positions,
                       context_length);
}

void shuffle(std::vector<std::int64_t>& values, Rng& rng) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[rng.below(i)]);
}

}  // namespace

void fields(ProfileConfig& c, FieldVisitor& f) {
  f("model", c.model, {.help = "model folder or .gguf", .required = true, .positional = true, .file = true});
  f("axis", c.axis,
    {.help =
         "what is varied: tokens of the prompt, requests in flight, or requests that wait behind --max-batch others",
     .required = true,
     .choices = {"token_count", "batch_size", "queue_depth"}});
  f("values", c.values, {.help = "on the axis: 1,2,4,8,16; without it five of them", .max = 1e6});
  f("samples", c.samples,
    {.help = "measured runs of each value", .min = static_cast<double>(kMinimumSamples), .max = 1e5});
  f("warmup", c.warmup, {.help = "runs of each value before those, which are dropped", .min = 0, .max = 1e5});
  f("prompt_tokens", c.prompt_tokens,
    {.help = "length of the prompt, where it is not the axis", .min = 1, .max = 1e7, .unit = "tokens"});
  f("max_tokens", c.max_tokens,
    {.help = "new tokens of each request, end tokens ignored", .min = 0, .max = 1e6, .unit = "tokens"});
  f("max_batch", c.max_batch, {.help = "for queue_depth: requests in flight", .min = 1, .max = 1e5});
  f("prompt", c.prompt, {.help = "text whose tokens are repeated up to the length of the prompt"});
  f("ids", c.ids, {.help = "token ids instead of --prompt: 1,2,3"});
  f("observe", c.observe, {.help = "SPEC[,SPEC] as for `vauban trace`: profile the run that is observed"});
  f("profile", c.profile, {.help = "STAGES[,STAGES] or all: record what costs, too", .metavar = "STAGES"});
  f("fit", c.fit, {.help = "fit the Universal Scaling Law to the throughput; usl needs 5 values or more, from 1 on", .choices = {"none", "usl"}});
  f("out", c.out, {.help = "folder for sweep.json and traces.jsonl: new, empty or of an earlier profile", .metavar = "DIR", .file = true});
  f("plan", c.plan, {.help = "say what would be run, and stop"});
  fields(c.common, f);
}

Result<SweepPlan> plan_sweep(const ProfileConfig& config, std::int64_t context_length) {
  SweepPlan plan;
  VB_TRY(plan.axis, sweep_axis_from(config.axis));
  VB_TRY(plan.values, values_of(config, plan.axis));
  VB_CHECK(check_context(config, plan, context_length));
  plan.max_batch = batch_of(config, plan);
  for (int repetition = 0; repetition < config.warmup + config.samples; ++repetition) {
    std::vector<std::int64_t> order = plan.values;
    Rng rng(config.common.seed, static_cast<std::uint64_t>(repetition));
    shuffle(order, rng);
    for (const std::int64_t value : order) plan.runs.push_back(run_at(config, plan, value, repetition));
  }
  return plan;
}

Json to_json(const SweepPlan& plan, const ProfileConfig& config) {
  std::int64_t requests = 0, prompt_tokens = 0;
  Json order = Json::array();
  for (const SweepRun& run : plan.runs) {
    requests += run.requests;
    prompt_tokens += run.requests * run.prompt_tokens;
    order.push_back(run.value);
  }
  return Json::object({{"plan", true},
                       {"axis", to_string(plan.axis)},
                       {"values", Json(plan.values)},
                       {"samples", config.samples},
                       {"warmup", config.warmup},
                       {"max_batch", plan.max_batch},
                       {"runs", plan.runs.size()},
                       {"requests", requests},
                       {"prompt_tokens", prompt_tokens},
                       {"new_tokens", requests * config.max_tokens},
                       {"order", std::move(order)}});
}

}  // namespace vauban
