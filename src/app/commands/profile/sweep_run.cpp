#include "app/commands/profile/sweep_run.h"

#include <algorithm>

#include "trace/profile_fields.h"

namespace vauban {
namespace {

/// What every request of a sweep has in common.
struct Question {
  std::vector<Want> want;
  std::vector<std::string> profile;
  Sampling sampling;
};

Result<Question> question_of(const ProfileConfig& config) {
  Question question;
  VB_TRY(question.want, to_wants(config.observe));
  VB_TRY(question.profile, to_profile(config.profile));
  question.sampling.seed = config.common.seed;
  question.sampling.max_tokens = config.max_tokens;
  question.sampling.ignore_eos = true;  // an early end would be less work
  return question;
}

std::vector<TraceRequest> requests_of(const SweepRun& run, const SweepPlan& plan, const Question& question,
                                      const std::vector<std::int32_t>& ids) {
  const std::string word = format("{}.{}.run{}", to_string(plan.axis), run.value, run.repetition);
  std::vector<TraceRequest> requests;
  for (std::int64_t i = 0; i < run.requests; ++i) {
    TraceRequest request{.trace_id = format("{}.{}", word, i)};
    request.prompt_ids = prompt_of(ids, run.prompt_tokens, i);
    request.sampling = question.sampling;
    request.want = question.want;
    request.profile = question.profile;
    request.metadata[kSweepMetadata] = Json::object(
        {{"run", word}, {"axis", to_string(plan.axis)}, {"value", run.value}, {"repetition", run.repetition}});
    requests.push_back(std::move(request));
  }
  return requests;
}

/// The engine may run fewer requests at once than were sent: the key/value cache is full, or the first ones had ended
/// before the last prompts were read. Then the point would stand at another place of the axis.
Result<void> check_place(const SweepRun& run, SweepAxis axis, std::span<const Trace> traces) {
  std::int64_t found = 0;
  for (const Trace& trace : traces) {
    VB_TRY(const std::int64_t value, sweep_axis_value(trace, axis));
    found = std::max(found, value);
  }
  if (found == run.value) return ok();
  return with_hint(
      resource("{} {} was asked for, the engine ran at {}", to_string(axis), run.value, found),
      "fewer --prompt-tokens or more --max-tokens let more requests run at once; --memory makes room for them");
}

Result<void> run_once(const SweepRun& run, const SweepPlan& plan, const Question& question,
                      const std::vector<std::int32_t>& ids, Runtime& runtime, PayloadSink* sink,
                      std::vector<Trace>& traces) {
  const std::vector<TraceRequest> requests = requests_of(run, plan, question, ids);
  std::vector<Result<Trace>> answers = runtime.trace_batch(requests, sink);
  const std::size_t first = traces.size();
  for (Result<Trace>& answer : answers) {
    VB_TRY(Trace trace, std::move(answer));
    traces.push_back(std::move(trace));
  }
  return check_place(run, plan.axis, std::span(traces).subspan(first));
}

Result<void> run_all(const SweepPlan& plan, const ProfileConfig& config, const std::vector<std::int32_t>& ids,
                     Runtime& runtime, PayloadSink* sink, const Context& context, std::vector<Trace>& traces) {
  VB_TRY(const Question question, question_of(config));
  for (std::size_t i = 0; i < plan.runs.size(); ++i) {
    context.progress.update("profile", i, plan.runs.size(), "runs");
    VB_CHECK(context.cancel.check(), "after {} of {} runs", i, plan.runs.size());
    VB_CHECK(run_once(plan.runs[i], plan, question, ids, runtime, sink, traces), "after {} of {} runs", i,
             plan.runs.size());
    const bool repetition_ended = (i + 1) % plan.values.size() == 0;
    if (repetition_ended && !check_stable_coverage(traces))
      break;  // the summary will say why; more runs change nothing
  }
  context.progress.finish("profile");
  return ok();
}

}  // namespace

std::vector<std::int32_t> prompt_of(const std::vector<std::int32_t>& ids, std::int64_t length, std::int64_t rotation) {
  std::vector<std::int32_t> prompt{ids.front()};
  const std::size_t others = ids.size() - 1;
  for (std::int64_t i = 1; i < length; ++i)
    prompt.push_back(others == 0 ? ids.front() : ids[1 + static_cast<std::size_t>(i - 1 + rotation) % others]);
  return prompt;
}

SweepTraces run_sweep(const SweepPlan& plan, const ProfileConfig& config, const std::vector<std::int32_t>& ids,
                      Runtime& runtime, PayloadSink* sink, const Context& context) {
  SweepTraces done;
  done.ended = run_all(plan, config, ids, runtime, sink, context, done.traces);
  return done;
}

}  // namespace vauban
