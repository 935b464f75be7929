/// Runner: a suite x a runtime -> observation rows and traces, appended as they come, resumable after a crash.
///
/// Rows are written in suite order in deterministic chunks, so the file of an interrupted run is a prefix of the file of
/// an undisturbed one. Rows already present are not run again: the key is (model_label, prompt_id, sample_index).
#pragma once

#include <cstdint>
#include <functional>
#include <set>
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
  bool record_outputs = true;  ///< only texts of prompts whose redaction is safe are ever stored
  std::size_t first_prompt = 0, prompt_count = 0;  ///< the chunk to run
};

/// Completes a row from its text (scorers); given by app, which knows the evidence layer.
using RowFinisher = std::function<void(Observation& row, const SuitePrompt& prompt, std::string_view output)>;

struct RunSinks {
  AppendLog& observations;
  AppendLog& traces;
  PayloadSink* payloads = nullptr;
};

/// What one executed row leaves for the next stage (teacher-forced scoring); also filled for rows that were resumed.
struct ExecutedRow {
  std::string prompt_id;
  std::int64_t sample_index = 0;
  std::vector<std::int32_t> prompt_ids, output_ids;
};

Result<std::vector<ExecutedRow>> run_chunk(Runtime& runtime, const RunPlan& plan, const std::set<RowKey>& present,
                                           const RunSinks& sinks, const RowFinisher& finish, const Context& context);

/// The stable request of one prompt: what is sent to a runtime, equal for both sides.
TraceRequest request_for(const SuitePrompt& prompt, std::size_t prompt_index, std::int64_t sample_index, const RunPlan& plan);

}  // namespace vauban
