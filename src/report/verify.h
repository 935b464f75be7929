/// verify: recomputes every number of a run from its raw files, offline, and compares.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "report/run_folder.h"

namespace vauban {

struct VerifyFailure {
  std::string file, what, expected, found;
};
struct VerifyResult {
  bool ok = false;
  std::int64_t checked = 0;  ///< files hashed plus values recomputed
  std::vector<VerifyFailure> failures;
  std::vector<std::string> notes;  ///< e.g. rows whose text is withheld: verified from their metrics
};
/// Errors: not_found when the folder is no run. A damaged run is not an error but failures.
/// `rescore` recomputes a row's metrics from its stored text (scorers; given by app); null leaves that step out.
using RowRescorer = std::function<Observation(const Observation& row, const RunData& data)>;
Result<VerifyResult> verify_run(const std::filesystem::path& folder, const RowRescorer& rescore = nullptr);

}  // namespace vauban
