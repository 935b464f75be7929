#include "runner/runner.h"

#include <optional>

#include "base/sha256.h"
#include "runner/trace_rows.h"
#include "runner/withhold.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

/// One prompt and sample of the chunk, and what became of it.
struct Task {
  const SuitePrompt* prompt = nullptr;
  std::size_t prompt_index = 0;
  std::int64_t sample_index = 0;
  const Observation* stored = nullptr;  ///< the row of an earlier run
  Redaction redaction = Redaction::omitted;
  ExecutedRow result;
  StorableRequest asked;
  std::optional<Result<Trace>> trace;
  bool needs_run() const { return !stored || (stored->outcome != "infra_error" && stored->output_ids.empty()); }
};

Redaction redaction_of(const SuitePrompt& prompt, const RunPlan& plan) {
  const Redaction redaction = redaction_from(prompt.redaction).value_or(Redaction::omitted);
  return plan.record_outputs ? redaction : strictest(redaction, Redaction::redacted);
}

const Observation* stored_row(const PresentRows& present, const RowKey& key) {
  const auto row = present.find(key);
  return row == present.end() || is_transient_failure(row->second) ? nullptr : &row->second;
}

std::vector<Task> tasks_of(const RunPlan& plan, const PresentRows& present) {
  std::vector<Task> tasks;
  for (std::size_t i = plan.first_prompt; i < plan.first_prompt + plan.prompt_count; ++i)
    for (int sample = 0; sample < plan.samples; ++sample) {
      const SuitePrompt& prompt = plan.suite->prompts[i];
      tasks.push_back({.prompt = &prompt,
                       .prompt_index = i,
                       .sample_index = sample,
                       .stored = stored_row(present, {plan.model_label, prompt.id, sample}),
                       .redaction = redaction_of(prompt, plan),
                       .result = {.prompt_id = prompt.id, .sample_index = sample},
                       .asked = {},
                       .trace = {}});
    }
  return tasks;
}

/// [{role, content}], the system message first.
Json messages_of(const SuitePrompt& prompt) {
  Json messages = Json::array();
  const auto add = [&](std::string_view role, std::string_view content) {
    messages.push_back(Json::object({{"role", role}, {"content", content}}));
  };
  if (!prompt.system.empty()) add("system", prompt.system);
  for (const SuiteMessage& message : prompt.messages) add(message.role, message.content);
  if (prompt.messages.empty()) add("user", prompt.text);
  return messages;
}

Result<void> resume(Task& task, Runtime& runtime, const RunPlan& plan) {
  task.result.ran = task.stored->outcome != "infra_error";
  if (!task.result.ran) return ok();
  task.result.output_ids = task.stored->output_ids;
  VB_TRY(const TraceRequest request, request_for(*task.prompt, task.prompt_index, task.sample_index, plan));
  VB_TRY(task.result.prompt_ids, runtime.tokenize(request));
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
  row.redaction = task.redaction;
  if (!task.prompt->text.empty()) row.prompt = task.prompt->text;
  return row;
}

/// A prompt that could not be run is recorded as such; it is never graded.
Observation failed_row(const Task& task, const RunPlan& plan, const Runtime& runtime, const Error& error) {
  Observation row = row_of(task, plan, runtime);
  row.outcome = "infra_error";
  // A message may quote its input.
  const std::string message = task.redaction == Redaction::safe ? describe(error) : std::string(kWithheld);
  row.metadata = Json::object({{"error", Json::object({{"code", to_string(error.code)}, {"message", message}})}});
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
  VB_TRY(const Trace stored, withhold(*trace, row.redaction, task.asked.withheld));
  return append(row, &stored, sinks);
}

/// Runs the tasks in one batch.
Result<void> run_group(Runtime& runtime, const std::vector<Task*>& group, PayloadSink* sink) {
  if (group.empty()) return ok();
  std::vector<TraceRequest> requests;
  for (const Task* task : group) requests.push_back(task->asked.request);
  std::vector<Result<Trace>> traces = runtime.trace_batch(requests, sink);
  if (traces.size() != group.size())
    return internal("the runtime answered {} of {} requests", traces.size(), group.size());
  for (std::size_t i = 0; i < group.size(); ++i) group[i]->trace = std::move(traces[i]);
  return ok();
}

}  // namespace

bool is_transient_failure(const Observation& row) {
  if (row.outcome != "infra_error" || !row.metadata.is_object()) return false;
  const Json* error = row.metadata.find("error");
  const Json* code = error && error->is_object() ? error->find("code") : nullptr;
  if (!code || !code->is_string()) return false;
  return code->as_string() == to_string(ErrorCode::resource) || code->as_string() == to_string(ErrorCode::io);
}

Result<TraceRequest> request_for(const SuitePrompt& prompt, std::size_t prompt_index, std::int64_t sample_index,
                                 const RunPlan& plan) {
  const bool chat = (plan.suite && plan.suite->chat) || !prompt.messages.empty() || !prompt.system.empty();
  std::string text = prompt.text;
  if (chat && !plan.render_chat) return unsupported("prompt '{}' is a conversation, and nothing renders it here", prompt.id);
  if (chat) {
    VB_TRY(text, plan.render_chat(messages_of(prompt)), "while rendering prompt '{}'", prompt.id);
  }
  TraceRequest request{.trace_id = format("{}:{}:{}", plan.model_label, prompt.id, sample_index),
                       .input_text = std::move(text),
                       .add_special = !chat,  // a template writes every special token itself
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
  std::vector<Task*> to_run, with_payloads, without;
  for (Task& task : tasks) {
    if (!task.needs_run()) {
      VB_CHECK(resume(task, runtime, plan), "resuming prompt '{}'", task.prompt->id);
      continue;
    }
    to_run.push_back(&task);
    Result<TraceRequest> request = request_for(*task.prompt, task.prompt_index, task.sample_index, plan);
    if (!request) {
      task.trace = request.error();
      continue;
    }
    task.asked = storable_request(*std::move(request), task.redaction);
    // A withheld prompt runs where there is nothing to put a payload into.
    const bool keeps_payloads = sinks.payloads && task.redaction == Redaction::safe;
    (keeps_payloads ? with_payloads : without).push_back(&task);
  }
  VB_CHECK(run_group(runtime, with_payloads, sinks.payloads));
  VB_CHECK(run_group(runtime, without, nullptr));
  for (Task* task : to_run) {
    VB_CHECK(context.cancel.check());
    VB_CHECK(finish_task(*task, *task->trace, runtime, plan, sinks, finish), "prompt '{}'", task->prompt->id);
  }
  std::vector<ExecutedRow> rows;
  for (Task& task : tasks) rows.push_back(std::move(task.result));
  return rows;
}

}  // namespace vauban
