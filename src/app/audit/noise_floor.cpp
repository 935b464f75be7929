#include "app/audit/noise_floor.h"

#include <algorithm>
#include <cmath>

#include "app/audit/pair_scoring.h"
#include "app/open.h"
#include "app/scoring.h"
#include "evidence/evidence.h"
#include "runner/trace_rows.h"

namespace vauban {
namespace {

/// Another thread count than the one the run used.
CommonOptions other_threads(const Session& session) {
  CommonOptions options = session.options();
  options.threads = session.context().pool.size() == 1 ? 2 : 1;
  options.quiet = true;
  return options;
}

const Observation* find_row(const std::vector<Observation>& rows, const std::string& prompt_id) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Observation& row) { return row.prompt_id == prompt_id && row.sample_index == 0; });
  return found == rows.end() ? nullptr : &*found;
}

/// The second run of one prompt, scored like the first.
Observation second_row(const Observation& first, const SuitePrompt& prompt, const TraceRow& seen, const RowFinisher& finish) {
  Observation row = first;
  row.model_label = "candidate";
  row.metrics.clear();
  row.behaviour_class.clear();
  row.outcome.clear();
  row.finish_reason = seen.finish_reason;
  row.output_text = seen.text;
  finish(row, prompt, seen.text);
  return row;
}

/// Floors from the deltas of the baseline against itself, over the whole suite.
Json floors_of(const Evidence& evidence) {
  Json floors = Json::object();
  for (const MetricDelta& delta : evidence.deltas)
    if (delta.category == "overall" && delta.delta) floors[delta.name] = std::abs(*delta.delta);
  return floors;
}

}  // namespace

Result<Json> measure_noise_floor(const AuditConfig& config, const Suite& suite, const RunPlan& plan, Runtime& baseline,
                                 const std::vector<Observation>& rows, const Session& session) {
  Session other(other_threads(session), session.command_line());
  VB_TRY(const std::unique_ptr<Runtime> again, open_runtime(config.base, other, {.max_batch = 1}));
  VB_TRY(const RowFinisher finish, make_finisher(suite));
  EvidenceInput input{.suite = nullptr};
  const std::size_t count = std::min<std::size_t>(static_cast<std::size_t>(config.baseline_floor), suite.prompts.size());
  for (std::size_t i = 0; i < count; ++i) {
    VB_CHECK(session.context().cancel.check());
    session.context().progress.update("noise floor", i, count, "prompts");
    const SuitePrompt& prompt = suite.prompts[i];
    const Observation* first = find_row(rows, prompt.id);
    if (!first || first->outcome == "infra_error") continue;
    VB_TRY(const Trace trace, again->trace(request_for(prompt, i, 0, plan)));
    const TraceRow seen = read_trace_row(trace);
    input.baseline.push_back(*first);
    input.candidate.push_back(second_row(*first, prompt, seen, finish));
    std::vector<std::int32_t> ids = seen.prompt_ids;
    ids.insert(ids.end(), seen.output_ids.begin(), seen.output_ids.end());
    VB_TRY(TokenScores scores, score_pair(baseline, *again, ids, 7));
    scores.prompt_id = prompt.id;
    input.token_scores.push_back(std::move(scores));
  }
  session.context().progress.finish("noise floor");
  VB_TRY(const Evidence evidence, gather_evidence(input));
  return Json::object({{"prompts", input.baseline.size()},
                       {"conditions", "the baseline against itself: alone instead of in a batch, and with another number of threads"},
                       {"metrics", floors_of(evidence)}});
}

}  // namespace vauban
