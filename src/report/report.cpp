#include "report/report.h"

#include <algorithm>

#include "base/files.h"
#include "base/json_file.h"
#include "report/report_json.h"
#include "report/verdict.h"

namespace vauban {
namespace {

EvidenceInput input_of(const RunData& data) {
  EvidenceInput input{.suite = data.suite ? &*data.suite : nullptr,
                      .baseline = data.baseline,
                      .candidate = data.candidate,
                      .token_scores = data.token_scores,
                      .presence = data.presence,
                      .missing = data.missing,
                      .noise_floors = data.noise_floors,
                      .roles = data.roles,
                      .sampled = data.sampled,
                      .invariant_bits = bits_are_invariant(data.executions)};
  // Rows that came without traces still carry text, or metrics that were made from it.
  if (!input.presence.contains(ArtifactKind::text))
    input.presence[ArtifactKind::text] = {static_cast<std::int64_t>(data.baseline.size()), static_cast<std::int64_t>(data.candidate.size())};
  return input;
}

/// The raw files as the finished run sealed them, the derived ones as they are now.
Result<Json> manifest_of(const std::filesystem::path& folder, bool seal) {
  VB_TRY(Json manifest, make_manifest(folder));
  if (seal || !std::filesystem::exists(folder / run_files::kManifest)) return manifest;
  const auto before = read_json_file(folder / run_files::kManifest);
  const Json* files = before ? before->find("files") : nullptr;
  if (!files) return manifest;
  Json kept = *files;
  for (const auto& [name, entry] : manifest.find("files")->entries())
    if (is_derived_file(name)) kept[name] = entry;
  manifest["files"] = std::move(kept);
  return manifest;
}

}  // namespace

Result<Analysis> analyse(const RunData& data) {
  Analysis analysis;
  VB_TRY(analysis.evidence, gather_evidence(input_of(data)));
  VB_TRY(analysis.claims, derive_claims(analysis.evidence, data.declared_strength));
  const ReportVerdict verdict = decide(analysis.evidence);
  analysis.report = report_json(data, analysis.evidence, analysis.claims, verdict);
  return analysis;
}

Result<Json> write_report(const std::filesystem::path& folder, bool seal) {
  VB_TRY(const RunData data, load_run(folder));
  VB_TRY(const Analysis analysis, analyse(data));
  VB_CHECK(write_json_file(folder / run_files::kEvidence, to_json(analysis.evidence)));
  VB_CHECK(write_json_file(folder / run_files::kClaims, to_json(analysis.claims)));
  VB_CHECK(write_json_file(folder / run_files::kReport, analysis.report));
  VB_CHECK(write_file_atomic(folder / run_files::kMarkdown, render_markdown(analysis.report)));
  VB_TRY(const Json manifest, manifest_of(folder, seal));
  VB_CHECK(write_json_file(folder / run_files::kManifest, manifest));
  return analysis.report;
}

int exit_code_of(const Json& report) {
  const Json* verdict = report.find("verdict");
  const Json* code = verdict ? verdict->find("exit_code") : nullptr;
  return code ? static_cast<int>(code->as_int()) : 4;
}

}  // namespace vauban
