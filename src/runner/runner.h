/// Runner: a suite x a runtime -> observation rows and traces, appended as they come, resumable after a crash.
///
/// Rows are written in suite order in deterministic chunks, so the file of an interrupted run is a prefix of the file of
/// an undisturbed one. Rows already present are not run again: the key is (model_label, prompt_id, sample_index). Of a
/// prompt that is not safe to show nothing is stored from which it could be read back (withhold.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/context.h"
#include "base/files.h"
#include "base/result.h"
#include "suite/observation.h"
#include "suite/suite.h"
#include "vauban/runtime.h"

namespace vauban {

using RowKey = std::tuple<std::string, std::string, std::int64_t>;  ///< model_label, prompt_id, sample_index

struct RunPlan {
  const Suite* suite = nullptr;
  std::string model_label;     ///< baseline or candidate
  Sampling sampling;           ///< max_tokens and all; the seed is combined with the prompt's place in the suite
  int samples = 1;             ///< per prompt
  std::vector<Want> want;
  std::vector<Intervention> interventions;
  /// Messages ([{role, content}]) as the text that the model's own template makes of them; without it prompts of
  /// messages fail, each with a row that says so.
  std::function<Result<std::string>(const Json& messages)> render_chat;
  bool record_outputs = true;  ///< only texts of prompts whose redaction is safe are ever stored
  std::size_t first_prompt = 0, prompt_count = 0;  ///< the chunk to run
};

/// Completes a row from its text (scorers); given by app, which knows the evidence layer.
using RowFinisher = std::function<void(Observation& row, const SuitePrompt& prompt, std::string_view output)>;

struct RunSinks {
  AppendLog& observations;
  AppendLog& traces;
  PayloadSink* payloads = nullptr;  ///< of prompts that are safe to show; others run without one
};

/// What one row leaves for the next stage (teacher-forced scoring). For a resumed row the ids come from the stored row; where
/// they were withheld from it, the request is run again and nothing is written. `ran` is false when the row has no output
/// (an infrastructure error).
struct ExecutedRow {
  std::string prompt_id;
  std::int64_t sample_index = 0;
  std::vector<std::int32_t> prompt_ids, output_ids;
  bool ran = true;
};

/// Rows of an earlier, interrupted run.
using PresentRows = std::map<RowKey, Observation>;

/// A failure that says nothing about the model: memory, disk or the file system. Such a row is run again on resume, so
/// the caller takes it out of observations.jsonl first: two rows of one key are refused by the reader.
bool is_transient_failure(const Observation& row);

/// Runs the prompts of `plan` that have no row yet, or one of a transient failure. Errors: cancelled, io; a prompt that
/// fails leaves a row with an outcome that is not behaviour (infra_error), and the run goes on.
Result<std::vector<ExecutedRow>> run_chunk(Runtime& runtime, const RunPlan& plan, const PresentRows& present,
                                           const RunSinks& sinks, const RowFinisher& finish, const Context& context);

/// The stable request of one prompt: what is sent to a runtime, equal for both sides.
/// A conversation is rendered by plan.render_chat. Errors: those of rendering.
Result<TraceRequest> request_for(const SuitePrompt& prompt, std::size_t prompt_index, std::int64_t sample_index,
                                 const RunPlan& plan);

}  // namespace vauban
