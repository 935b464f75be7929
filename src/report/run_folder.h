/// RunFolder: a run is a folder that can be checked (ARCHITECTURE section 8).
///
///   inputs.json         what defines the run: digests of suite and models, sampling, numerics, scorers (no path, no clock)
///   config.toml         the resolved configuration          suite.toml   the suite's own bytes
///   models.json         identity, digests of configuration and tokenizer, capability of both sides
///   observations.jsonl  rows of both sides (model_label baseline, candidate); append-only, resumable
///   traces.jsonl        one Trace per row                   scores.jsonl one row per prompt compared on identical ids
///   floor.json          the baseline measured against itself
///   artifacts/          content-addressed safetensors
///   run.json            volatile: clock, host, path, timings, commands
///   evidence.json claims.json report.json report.md         derived: a pure function of the files above
///   manifest.json       SHA-256 of every other file
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "evidence/evidence.h"
#include "report/execution.h"
#include "suite/suite.h"
#include "vauban/claim.h"
#include "vauban/trace.h"

namespace vauban {

namespace run_files {
inline constexpr std::string_view kInputs = "inputs.json", kConfig = "config.toml", kSuite = "suite.toml", kModels = "models.json",
                                  kObservations = "observations.jsonl", kTraces = "traces.jsonl", kScores = "scores.jsonl",
                                  kFloor = "floor.json", kRun = "run.json", kEvidence = "evidence.json", kClaims = "claims.json",
                                  kReport = "report.json", kMarkdown = "report.md", kManifest = "manifest.json",
                                  kArtifacts = "artifacts";
}  // namespace run_files

/// One row of scores.jsonl: where the per-token scalars of a prompt lie.
struct ScoreRow {
  std::string prompt_id, category, family, ids_sha256, path, digest;
  std::string error;  ///< why the prompt could not be scored; then there is no payload
  std::int64_t sample_index = 0, tokens = 0;
};
Json to_json(const ScoreRow& row);
Result<ScoreRow> score_row_from_json(const Json& json);

/// The payload of a score row: f32 (4, tokens), rows kld, nll_baseline, nll_candidate, same_top.
inline constexpr std::string_view kScoreTensor = "token_scores";
std::vector<float> pack_scores(const TokenScores& scores);

/// An edit that was active in one side's runs, over all its answers.
struct InterventionUse {
  std::string side, name, mode;
  std::int64_t answers = 0, with_effect = 0;
};

/// What a row's trace says about the row: verify holds them against each other.
struct TraceDigests {
  std::string trace_id, text_sha256, prompt_ids_sha256, output_ids_sha256;  ///< "" where the trace does not have it
};

/// Everything that a report is made of, read back from a folder.
struct RunData {
  Json inputs, models, run;  ///< null where the file is absent
  std::optional<Suite> suite;
  std::vector<Observation> baseline, candidate;
  std::vector<TokenScores> token_scores;
  std::map<ArtifactKind, Presence> presence;  ///< counted from traces.jsonl and scores.jsonl
  std::vector<Missing> missing;
  std::map<std::string, double> noise_floors;
  std::map<std::string, Role> roles;
  std::optional<Strength> declared_strength;
  std::vector<InterventionUse> interventions;
  std::vector<TraceDigests> traces;
  std::vector<Execution> executions;  ///< counted from traces.jsonl
  bool sampled = false;  ///< drawn with a temperature: answers of one model differ from run to run
};
/// Errors: not_found when this is no run folder; corrupt naming file and line.
Result<RunData> load_run(const std::filesystem::path& folder);

/// Raw files (all but what write_report derives) that differ from the manifest of the finished run; empty without a manifest.
Result<std::vector<std::string>> changed_since_sealed(const std::filesystem::path& folder);
bool is_derived_file(std::string_view name);

/// Digests of every file below `folder` but the manifest itself, sorted: {"path": {"sha256", "bytes"}}.
Result<Json> make_manifest(const std::filesystem::path& folder);

}  // namespace vauban
