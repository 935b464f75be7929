#include "runner/runner.h"

#include "base/sha256.h"
#include "runner/trace_rows.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

/// One prompt and sample of the chunk, and what became of it.
struct Task {
  const SuitePrompt* prompt = nullptr;
  std::size_t prompt_index = 0;
  std::int64_t sample_index = 0;
  const Observation* stored = nullptr;  ///< the row of an earlier run
  ExecutedRow result;
  bool needs_run() const { return !stored || (stored->outcome != "infra_error" && stored->output_ids.empty()); }
};

std::vector<Task> tasks_of(const RunPlan& plan, const PresentRows& present) {
  std::vector<Task> tasks;
  for (std::size_t i = plan.first_prompt; i < plan.first_prompt + plan.prompt_count; ++i)
    for (int sample = 0; sample < plan.samples; ++sample) {
      const SuitePrompt& prompt = plan.suite->prompts[i];
      const auto row = present.find({plan.model_label, prompt.id, sample});
      tasks.push_back({.prompt = &prompt,
                       .prompt_index = i,
                       .sample_index = sample,
                       .stored = row == present.end() ? nullptr : &row->second,
                       .result = {.prompt_id = prompt.id, .sample_index = sample}});
    }
  return tasks;
}

Result<void> resume(Task& task, Runtime& runtime, const RunPlan& plan) {
  task.result.ran = task.stored->outcome != "infra_error";
  if (!task.result.ran) return ok();
  task.result.output_ids = task.stored->output_ids;
  VB_TRY(task.result.prompt_ids, runtime.tokenize(request_for(*task.prompt, task.prompt_index, task.sample_index, plan)));
  return ok();
}

Observation row_of(const Task& task, const RunPlan& plan, const Runtime& runtime) {
  Observation row{.id = format("{}:{}", plan.model_label, task.prompt->id),
                  .prompt_id = task.prompt->id,
                  .model_label = plan.model_label,
                  .category = task.prompt->category,
                  .expected_behavior = task.prompt->expected_behavior,
                  .sample_index = task.sample_index,
                  .family = task.prompt->family,
                  .role = std::string(to_string(plan.suite->role_of(task.prompt->category))),
                  .numerics = std::string(to_string(runtime.numerics())),
                  .seed = plan.sampling.seed};
  if (plan.samples > 1) row.id += format(":{}", task.sample_index);
  row.redaction = redaction_from(task.prompt->redaction).value_or(Redaction::omitted);
  if (!plan.record_outputs) row.redaction = strictest(row.redaction, Redaction::redacted);
  if (!task.prompt->text.empty()) row.prompt = task.prompt->text;
  return row;
}

/// A prompt that could not be run is recorded as such; it is never graded.
Observation failed_row(const Task& task, const RunPlan& plan, const Runtime& runtime, const Error& error) {
  Observation row = row_of(task, plan, runtime);
  row.outcome = "infra_error";
  row.metadata = Json::object({{"error", Json::object({{"code", to_string(error.code)}, {"message", describe(error)}})}});
  return row;
}

Result<void> append(const Observation& row, const Trace* trace, const RunSinks& sinks) {
  // The trace first: a row in observations.jsonl is the promise that everything of it is there.
  if (trace) {
    VB_TRY(const std::string line, to_json(*trace).dump());
    VB_CHECK(sinks.traces.append(line));
  }
  VB_TRY(const std::string line, to_json(row).dump());
  return sinks.observations.append(line);
}

Result<void> finish_task(Task& task, const Result<Trace>& trace, Runtime& runtime, const RunPlan& plan, const RunSinks& sinks,
                         const RowFinisher& finish) {
  if (!trace) {
    if (trace.error().code == ErrorCode::cancelled) return trace.error();
    task.result.ran = false;
    if (task.stored) return ok();
    return append(failed_row(task, plan, runtime, trace.error()), nullptr, sinks);
  }
  const TraceRow seen = read_trace_row(*trace);
  task.result.prompt_ids = seen.prompt_ids;
  task.result.output_ids = seen.output_ids;
  if (task.stored) return ok();
  Observation row = row_of(task, plan, runtime);
  row.trace_id = trace->id();
  if (row.redaction != Redaction::omitted) row.prompt_ids_sha256 = ids_digest(seen.prompt_ids);
  row.output_ids = seen.output_ids;
  row.finish_reason = seen.finish_reason;
  row.first_token_logprobs = seen.first_logprobs;
  row.output_sha256 = sha256_hex(seen.text);
  if (seen.has_text) row.output_text = seen.text;
  finish(row, *task.prompt, seen.text);
  VB_TRY(const Trace stored, redact(*trace, row.redaction));
  return append(row, &stored, sinks);
}

}  // namespace

TraceRequest request_for(const SuitePrompt& prompt, std::size_t prompt_index, std::int64_t sample_index, const RunPlan& plan) {
  TraceRequest request{.trace_id = format("{}:{}:{}", plan.model_label, prompt.id, sample_index),
                       .input_text = prompt.text,
                       .apply_chat_template = !prompt.messages.empty() || !prompt.system.empty(),
                       .sampling = plan.sampling,
                       .want = plan.want,
                       .interventions = plan.interventions};
  request.sampling.sample = static_cast<std::uint32_t>(sample_index);
  request.metadata = Json::object({{"prompt_id", prompt.id}, {"prompt_index", prompt_index}});
  return request;
}

Result<std::vector<ExecutedRow>> run_chunk(Runtime& runtime, const RunPlan& plan, const PresentRows& present,
                                           const RunSinks& sinks, const RowFinisher& finish, const Context& context) {
  std::vector<Task> tasks = tasks_of(plan, present);
  std::vector<Task*> to_run;
  std::vector<TraceRequest> requests;
  for (Task& task : tasks) {
    if (!task.needs_run()) {
      VB_CHECK(resume(task, runtime, plan), "resuming prompt '{}'", task.prompt->id);
      continue;
    }
    to_run.push_back(&task);
    requests.push_back(request_for(*task.prompt, task.prompt_index, task.sample_index, plan));
  }
  if (!requests.empty()) {
    const std::vector<Result<Trace>> traces = runtime.trace_batch(requests, sinks.payloads);
    for (std::size_t i = 0; i < traces.size(); ++i) {
      VB_CHECK(context.cancel.check());
      VB_CHECK(finish_task(*to_run[i], traces[i], runtime, plan, sinks, finish), "prompt '{}'", to_run[i]->prompt->id);
    }
  }
  std::vector<ExecutedRow> rows;
  for (Task& task : tasks) rows.push_back(std::move(task.result));
  return rows;
}

}  // namespace vauban
