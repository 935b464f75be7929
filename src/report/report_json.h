/// report.json: the keys that existing readers know (audit.md section 12) and those of cli.md.
#pragma once

#include "base/json.h"
#include "claim/derive.h"
#include "evidence/evidence.h"
#include "report/run_folder.h"
#include "report/verdict.h"

namespace vauban {

inline constexpr std::string_view kReportSchemaVersion = "vauban_report_v1";

Json report_json(const RunData& data, const Evidence& evidence, const ClaimSet& claims, const ReportVerdict& verdict);

Json to_json(const MetricDelta& delta, const std::string& family_hash, const Evidence& evidence);
Json to_json(const GateResult& gate);
Json to_json(const Claim& claim);
Json to_json(const FlipMatrix& matrix);
Json missing_json(const std::vector<Missing>& missing);

/// Pairs to look at, changed ones first; texts only where both rows may be shown.
Json examples_json(const RunData& data, std::size_t limit);

}  // namespace vauban
