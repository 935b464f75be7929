#include "app/audit/noise_floor.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "app/audit/pair_scoring.h"
#include "app/open.h"
#include "app/scoring.h"
#include "base/sha256.h"
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

/// Prompt numbers so that the first n hold every category as evenly as can be.
std::vector<std::size_t> spread_over_categories(const Suite& suite) {
  std::map<std::string, std::size_t> seen;
  std::vector<std::pair<std::size_t, std::size_t>> ranked;  // rank within its category, number in the suite
  for (std::size_t i = 0; i < suite.prompts.size(); ++i) ranked.emplace_back(seen[suite.prompts[i].category]++, i);
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::size_t> order;
  for (const auto& [rank, i] : ranked) order.push_back(i);
  return order;
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
  row.output_ids = seen.output_ids;
  row.output_sha256 = sha256_hex(seen.text);
  row.refused.reset();
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
  const std::vector<std::size_t> order = spread_over_categories(suite);
  for (std::size_t done = 0; done < count; ++done) {
    VB_CHECK(session.context().cancel.check());
    session.context().progress.update("noise floor", done, count, "prompts");
    const std::size_t i = order[done];
    const SuitePrompt& prompt = suite.prompts[i];
    const Observation* first = find_row(rows, prompt.id);
    if (!first || first->outcome == "infra_error") continue;
    VB_TRY(const TraceRequest request, request_for(prompt, i, 0, plan));
    VB_TRY(const Trace trace, again->trace(request));
    const TraceRow seen = read_trace_row(trace);
    input.baseline.push_back(*first);
    input.candidate.push_back(second_row(*first, prompt, seen, finish));
    std::vector<std::int32_t> ids = seen.prompt_ids;
    ids.insert(ids.end(), seen.output_ids.begin(), seen.output_ids.end());
    VB_TRY(TokenScores scores, score_pair(baseline, *again, ids, {.chunk_rows = 7}));
    scores.prompt_id = prompt.id;
    input.token_scores.push_back(std::move(scores));
  }
  session.context().progress.finish("noise floor");
  VB_TRY(const Evidence evidence, gather_evidence(input));
  return Json::object({{"prompts", input.baseline.size()},
                       {"conditions", "the baseline against itself: answers alone instead of in a batch, scores in other chunks, another number of threads"},
                       {"metrics", floors_of(evidence)}});
}

}  // namespace vauban
