#include "app/audit/audit.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "app/audit/audit_inputs.h"
#include "app/audit/noise_floor.h"
#include "app/audit/pair_scoring.h"
#include "app/command_text.h"
#include "app/commands/run/run_config.h"
#include "app/folder_lock.h"
#include "app/intervention_file.h"
#include "app/open.h"
#include "app/scoring.h"
#include "app/version.h"
#include "app/weight_edit_file.h"
#include "base/config/dump.h"
#include "base/json_file.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "claim/derive.h"
#include "evidence/metric.h"
#include "report/report.h"
#include "runner/runner.h"
#include "runner/trace_rows.h"
#include "trace/artifact_store.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

/// Everything one audit works with.
struct AuditRun {
  const AuditConfig& config;
  Session& session;
  AuditSuite suite_file;
  AuditSide base, candidate;
  Json inputs, models;
  fs::path folder;
  bool scores_possible = true;
  std::vector<Want> want;
  std::vector<Intervention> interventions;

  const Context& context() const { return session.context(); }
  const Suite& suite() const { return suite_file.suite; }
};

Result<AuditSide> open_side(const std::string& model, const AuditConfig& config, Session& session) {
  AuditSide side;
  VB_TRY(side.runtime, open_runtime(model, session, {.max_batch = config.batch}));
  VB_TRY(side.tokenizer, open_tokenizer(model));
  return side;
}

RunPlan plan_of(const AuditRun& run, const char* label) {
  RunPlan plan{.suite = &run.suite(), .model_label = label, .sampling = to_sampling(run.config.sampling, run.session.options().seed),
               .samples = run.config.samples, .want = run.want, .record_outputs = run.config.record_outputs};
  const bool candidate = std::string_view(label) == "candidate";
  if (candidate) plan.interventions = run.interventions;
  plan.render_chat = chat_renderer(candidate ? run.config.candidate : run.config.base, run.context().clock);
  return plan;
}

/// A level that this audit cannot reach is refused before anything runs.
Result<void> check_level(const AuditRun& run) {
  if (!run.config.claim_strength) return ok();
  VB_TRY(const Strength declared, strength_from(*run.config.claim_strength));
  std::vector<ArtifactKind> computed_from{ArtifactKind::text};
  if (run.scores_possible) computed_from.push_back(ArtifactKind::logits);
  return check_declared(declared, computed_from);
}

/// A gate on a metric that does not exist would only be found undecided at the end.
Result<void> check_gate_metrics(const Suite& suite) {
  std::vector<std::string> names;
  for (const Metric& metric : all_metrics()) names.emplace_back(metric.id);
  for (const SuiteGate& gate : suite.gates) {
    if (find_metric(gate.metric)) continue;
    const std::string near = did_you_mean(gate.metric, names);
    return with_hint(invalid_input("gate '{}': unknown metric '{}'", gate.id, printable(gate.metric)),
                     near.empty() ? "see `vauban list metrics`" : format("did you mean '{}'?", near));
  }
  return ok();
}

Result<AuditRun> open_run(const AuditConfig& config, Session& session) {
  AuditRun run{.config = config, .session = session, .folder = config.out};
  VB_TRY(run.suite_file, load_audit_suite(config.suite));
  VB_TRY(const auto scorers, find_scorers(run.suite().scorers), "in suite {}", config.suite);
  VB_CHECK(check_gate_metrics(run.suite()), "in suite {}", config.suite);
  VB_TRY(run.want, to_wants(config.observe));
  if (config.intervene) {
    VB_TRY(run.interventions, read_interventions(*config.intervene));
  }
  if (config.samples > 1 && config.sampling.temperature == 0)
    return invalid_input("--samples {} needs --temperature above 0: greedy answers would all be the same", config.samples);
  VB_TRY(run.base, open_side(config.base, config, session), "opening the baseline {}", config.base);
  VB_TRY(run.candidate, open_side(config.candidate, config, session), "opening the candidate {}", config.candidate);
  VB_CHECK(edit_weights(config.edit_weights, *run.candidate.runtime));
  VB_TRY(run.inputs, audit_inputs(config, session.options(), run.suite_file, run.base, run.candidate, run.interventions));
  run.models = audit_models(run.base, run.candidate);
  run.scores_possible = run.models.find("missing")->size() == 0;
  VB_CHECK(check_level(run));
  return run;
}

Result<PresentRows> present_rows(const fs::path& folder) {
  PresentRows present;
  if (!fs::exists(folder / run_files::kObservations)) return present;
  VB_TRY(std::vector<Observation> rows, read_observations(folder / run_files::kObservations, {}));
  for (Observation& row : rows) {
    RowKey key{row.model_label, row.prompt_id, row.sample_index};
    present.emplace(std::move(key), std::move(row));
  }
  return present;
}

Result<std::set<std::pair<std::string, std::int64_t>>> present_scores(const fs::path& folder) {
  std::set<std::pair<std::string, std::int64_t>> present;
  if (!fs::exists(folder / run_files::kScores)) return present;
  VB_TRY(const std::string text, read_file(folder / run_files::kScores));
  for (const std::string_view line : split(text, '\n')) {
    if (trim(line).empty()) continue;
    VB_TRY(const Json json, Json::parse(line), "in {}", run_files::kScores);
    VB_TRY(const ScoreRow row, score_row_from_json(json), "in {}", run_files::kScores);
    present.emplace(row.prompt_id, row.sample_index);
  }
  return present;
}

/// The append-only files of the run, torn last lines dropped.
struct Logs {
  AppendLog observations, traces, scores;
  std::unique_ptr<ArtifactStore> store;
};

/// A trace whose row did not make it into observations.jsonl is written again with its row, so it must go first.
Result<void> drop_orphan_traces(const fs::path& folder, const PresentRows& present) {
  const fs::path path = folder / run_files::kTraces;
  if (!fs::exists(path)) return ok();
  VB_TRY(const std::string text, read_file(path));
  std::set<std::string> known;
  for (const auto& [key, row] : present) known.insert(row.trace_id);
  std::string kept;
  for (const std::string_view line : split(text, '\n')) {
    if (trim(line).empty()) continue;
    VB_TRY(const Json json, Json::parse(line), "in {}", run_files::kTraces);
    const Json* id = json.find("id");
    if (id && known.contains(id->as_string())) kept += std::string(line) + "\n";
  }
  return kept == text ? ok() : write_file_atomic(path, kept);
}

Result<Logs> open_logs(const fs::path& folder) {
  VB_TRY(AppendLog observations, AppendLog::open(folder / run_files::kObservations));
  VB_TRY(AppendLog traces, AppendLog::open(folder / run_files::kTraces));
  VB_TRY(AppendLog scores, AppendLog::open(folder / run_files::kScores));
  VB_TRY(std::unique_ptr<ArtifactStore> store, ArtifactStore::open(folder));
  return Logs{std::move(observations), std::move(traces), std::move(scores), std::move(store)};
}

/// The artifact store writes a payload before it knows the digest that names it.
Result<void> remove_unnamed_payloads(const fs::path& artifacts) {
  std::error_code error;
  std::vector<fs::path> unnamed;
  for (fs::directory_iterator entry(artifacts, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().filename().string().starts_with('.')) unnamed.push_back(entry->path());
  for (const fs::path& path : unnamed)
    if (!error) fs::remove(path, error);
  if (error) return io("could not clean '{}': {}", artifacts.string(), error.message());
  return ok();
}

/// Rows that failed for want of memory or disk are run again: from the first of them on, so that the file stays a prefix of
/// what an undisturbed run writes.
Result<void> drop_transient_failures(const fs::path& folder) {
  VB_TRY(const std::string text, read_file(folder / run_files::kObservations));
  std::string kept;
  for (const std::string_view line : split(text, '\n')) {
    if (trim(line).empty()) continue;
    VB_TRY(const Json json, Json::parse(line), "in {}", run_files::kObservations);
    VB_TRY(const Observation row, observation_from_json(json, 1, {}), "in {}", run_files::kObservations);
    if (is_transient_failure(row)) break;
    kept += std::string(line) + "\n";
  }
  return kept == text ? ok() : write_file_atomic(folder / run_files::kObservations, kept);
}

/// What a crash can leave behind: torn last lines, temporary files, traces without their row.
Result<void> repair_folder(const fs::path& folder) {
  { VB_TRY(const Logs trimmed, open_logs(folder)); }
  VB_CHECK(remove_temporary_files(folder));
  VB_CHECK(remove_temporary_files(folder / run_files::kArtifacts));
  VB_CHECK(remove_unnamed_payloads(folder / run_files::kArtifacts));
  VB_CHECK(drop_transient_failures(folder));
  VB_TRY(const PresentRows present, present_rows(folder));
  return drop_orphan_traces(folder, present);
}

Result<void> append_scores(const AuditRun& run, Logs& logs, const ExecutedRow& row, TokenScores scores) {
  const SuitePrompt* prompt = run.suite().find(row.prompt_id);
  const std::vector<float> values = pack_scores(scores);
  const std::vector<std::int64_t> shape{4, static_cast<std::int64_t>(scores.kld.size())};
  VB_TRY(const StoredPayload stored, logs.store->put(kScoreTensor, "f32", shape, std::as_bytes(std::span(values))));
  std::vector<std::int32_t> ids = row.prompt_ids;
  ids.insert(ids.end(), row.output_ids.begin(), row.output_ids.end());
  const std::string digest = prompt->redaction == "omitted" ? "" : ids_digest(ids);
  const ScoreRow line{.prompt_id = row.prompt_id, .category = prompt->category, .family = prompt->family, .ids_sha256 = digest,
                      .path = stored.path, .digest = stored.digest, .sample_index = row.sample_index, .tokens = shape[1]};
  VB_TRY(const std::string text, to_json(line).dump());
  return logs.scores.append(text);
}

Result<void> append_score_failure(const AuditRun& run, Logs& logs, const ExecutedRow& row, const Error& error) {
  const SuitePrompt* prompt = run.suite().find(row.prompt_id);
  const ScoreRow line{.prompt_id = row.prompt_id, .category = prompt->category, .family = prompt->family, .error = error.message,
                      .sample_index = row.sample_index};
  VB_TRY(const std::string text, to_json(line).dump());
  return logs.scores.append(text);
}

Result<void> score_chunk(AuditRun& run, Logs& logs, const std::vector<ExecutedRow>& rows,
                         const std::set<std::pair<std::string, std::int64_t>>& present) {
  for (const ExecutedRow& row : rows) {
    if (!row.ran || present.contains({row.prompt_id, row.sample_index})) continue;
    VB_CHECK(run.context().cancel.check());
    std::vector<std::int32_t> ids = row.prompt_ids;
    ids.insert(ids.end(), row.output_ids.begin(), row.output_ids.end());
    if (ids.size() < 2) continue;
    Result<TokenScores> scores = score_pair(*run.base.runtime, *run.candidate.runtime, ids,
                                            {.interventions = run.interventions, .prompt_rows = std::ssize(row.prompt_ids)});
    if (scores) {
      VB_CHECK(append_scores(run, logs, row, *std::move(scores)));
      continue;
    }
    // A candidate that cannot be scored (NaN logits, a shorter context, another head) is a finding, not the end of the audit.
    if (scores.error().code == ErrorCode::cancelled || scores.error().code == ErrorCode::io) return scores.error();
    VB_CHECK(append_score_failure(run, logs, row, scores.error()));
  }
  return ok();
}

struct StageTimes {
  double baseline_s = 0, candidate_s = 0, score_s = 0, floor_s = 0;
};

class Stopwatch {
 public:
  Stopwatch(const Clock& clock, double& total) : clock_(clock), total_(total), start_(clock.monotonic()) {}
  ~Stopwatch() { total_ += std::chrono::duration<double>(clock_.monotonic() - start_).count(); }

 private:
  const Clock& clock_;
  double& total_;
  std::chrono::nanoseconds start_;
};

Result<void> execute(AuditRun& run, StageTimes& times) {
  VB_TRY(Logs logs, open_logs(run.folder));
  VB_TRY(const PresentRows present, present_rows(run.folder));
  VB_TRY(const auto scored, present_scores(run.folder));
  VB_TRY(const RowFinisher finish, make_finisher(run.suite()));
  const RunSinks sinks{logs.observations, logs.traces, run.want.empty() ? nullptr : logs.store.get()};
  RunPlan base_plan = plan_of(run, "baseline"), candidate_plan = plan_of(run, "candidate");
  const std::size_t total = run.suite().prompts.size(), step = static_cast<std::size_t>(run.config.batch);
  for (std::size_t first = 0; first < total; first += step) {
    run.context().progress.update("audit", first, total, "prompts");
    base_plan.first_prompt = candidate_plan.first_prompt = first;
    base_plan.prompt_count = candidate_plan.prompt_count = std::min(step, total - first);
    std::vector<ExecutedRow> rows;
    {
      const Stopwatch watch(run.context().clock, times.baseline_s);
      VB_TRY(rows, run_chunk(*run.base.runtime, base_plan, present, sinks, finish, run.context()));
    }
    {
      const Stopwatch watch(run.context().clock, times.candidate_s);
      VB_TRY(const auto other, run_chunk(*run.candidate.runtime, candidate_plan, present, sinks, finish, run.context()));
    }
    if (!run.scores_possible) continue;
    const Stopwatch watch(run.context().clock, times.score_s);
    VB_CHECK(score_chunk(run, logs, rows, scored));
  }
  run.context().progress.finish("audit");
  VB_CHECK(logs.observations.sync());
  VB_CHECK(logs.traces.sync());
  return logs.scores.sync();
}

Result<void> write_floor(AuditRun& run, StageTimes& times) {
  if (run.config.baseline_floor == 0 || fs::exists(run.folder / run_files::kFloor)) return ok();
  const Stopwatch watch(run.context().clock, times.floor_s);
  VB_TRY(const std::vector<Observation> rows, read_observations(run.folder / run_files::kObservations, {}));
  std::vector<Observation> baseline;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(baseline), [](const Observation& row) { return row.model_label == "baseline"; });
  run.candidate.runtime.reset();  // its weights are not needed any more, and the floor loads the baseline a second time
  VB_TRY(const Json floor, measure_noise_floor(run.config, run.suite(), plan_of(run, "baseline"), *run.base.runtime, baseline, run.session));
  return write_json_file(run.folder / run_files::kFloor, floor);
}

/// run.json is the only file with clock, host and paths, and is written once.
Result<void> write_run_record(const AuditRun& run, const StageTimes& times) {
  if (fs::exists(run.folder / run_files::kRun)) return ok();
  VB_TRY(const std::string inputs, run.inputs.dump());
  return write_json_file(
      run.folder / run_files::kRun,
      Json::object({{"run", Json::object({{"id", sha256_hex(inputs).substr(0, 16)}, {"finished", iso8601(run.context().clock.utc())},
                                          {"out", run.folder.string()}})},
                    {"timings", Json::object({{"baseline_s", times.baseline_s}, {"candidate_s", times.candidate_s},
                                              {"score_s", times.score_s}, {"noise_floor_s", times.floor_s}})},
                    {"commands", Json::array({command_text(run.session.command_line()), command_text({"vauban", "verify", run.folder.string()})})},
                    {"reproducibility", Json::object({{"tool_version", version()}, {"compiler", build_compiler()}, {"build", build_type()},
                                                      {"threads", run.context().pool.size()}, {"base", run.config.base},
                                                      {"candidate", run.config.candidate}, {"suite", run.config.suite}})}}));
}

/// A configuration file that does the same again, from where it lies.
std::string config_toml(const AuditRun& run) {
  RunConfig config{.common = run.session.options(), .audit = run.config};
  config.common.json = config.common.quiet = false;
  return to_toml(config, fs::absolute(run.folder));
}

/// A finished run whose raw files were changed is not carried on and signed again.
Result<void> check_sealed(const fs::path& folder) {
  VB_TRY(const std::vector<std::string> changed, changed_since_sealed(folder));
  if (changed.empty()) return ok();
  return with_hint(corrupt("'{}' was changed after the run was finished: {}", folder.string(), join(changed, ", ")),
                   "see `vauban verify`; use another --out to run again");
}

Json plan_json(const AuditRun& run) {
  const auto prompts = static_cast<std::int64_t>(run.suite().prompts.size());
  const std::int64_t rows = prompts * run.config.samples;
  return Json::object({{"plan", true}, {"prompts", prompts}, {"samples", run.config.samples}, {"rows", rows * 2},
                       {"new_tokens_at_most", rows * 2 * run.config.sampling.max_tokens}, {"scored_on_identical_ids", run.scores_possible},
                       {"gates", run.suite().gates.size()}, {"noise_floor_prompts", std::min<std::int64_t>(run.config.baseline_floor, prompts)},
                       {"models", run.models}, {"inputs", run.inputs}, {"out", run.folder.string()}});
}

}  // namespace

Result<Json> audit(const AuditConfig& config, Session& session) {
  VB_TRY(AuditRun run, open_run(config, session));
  if (config.plan) return plan_json(run);
  VB_TRY(const FolderLock lock, FolderLock::take(run.folder));
  VB_CHECK(prepare_folder(run.folder, config_toml(run), run.suite_file, run.inputs, run.models));
  VB_CHECK(check_sealed(run.folder));
  StageTimes times;
  VB_CHECK(repair_folder(run.folder));
  VB_CHECK(execute(run, times));
  VB_CHECK(write_floor(run, times));
  VB_CHECK(write_run_record(run, times));
  return write_report(run.folder, true);
}

}  // namespace vauban
