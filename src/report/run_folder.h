/// RunFolder: a run is a folder that can be checked (ARCHITECTURE section 8).
///
///   inputs.json         what defines the run: digests of suite and models, sampling, numerics, scorers (no path, no clock)
///   config.toml         the resolved configuration          suite.toml   the suite's own bytes
///   models.json         identity, configuration, tokenizer digest and capability of both sides
///   observations.jsonl  rows of both sides (model_label baseline, candidate); append-only, resumable
///   traces.jsonl        one Trace per row                   scores.jsonl one row per prompt compared on identical ids
///   artifacts/          content-addressed safetensors
///   run.json            volatile: clock, host, path, timings, commands
///   evidence.json claims.json report.json report.md         derived: a pure function of the files above
///   manifest.json       SHA-256 of every other file
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "evidence/evidence.h"
#include "vauban/trace.h"

namespace vauban {

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
};
Result<RunData> load_run(const std::filesystem::path& folder);

}  // namespace vauban
