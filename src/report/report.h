/// The report: data -> JSON (cli.md "report.json", audit.md section 12) and Markdown. Stable bytes: equal data, equal text.
#pragma once

#include <filesystem>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "claim/derive.h"
#include "evidence/evidence.h"
#include "report/run_folder.h"

namespace vauban {

struct Analysis {
  Evidence evidence;
  ClaimSet claims;
  Json report;  ///< report.json
};

/// The one way from stored data to a report: evidence, claims, verdict, JSON.
Result<Analysis> analyse(const RunData& data);

Json to_json(const Evidence& evidence);
Json to_json(const ClaimSet& claims);
std::string render_markdown(const Json& report);
/// The answer in a few lines, for a terminal.
std::string verdict_lines(const Json& report);

/// Analyses `folder`, writes evidence.json, claims.json, report.json, report.md and manifest.json, and returns the report.
/// A manifest that is there already keeps its digests of the raw files, so that rendering again cannot sign a change of them;
/// `seal` (an audit that has just checked or written them) takes them anew.
Result<Json> write_report(const std::filesystem::path& folder, bool seal = false);

/// Exit code in the report's verdict: 0 ship, 1 hold, 4 inconclusive.
int exit_code_of(const Json& report);

}  // namespace vauban
