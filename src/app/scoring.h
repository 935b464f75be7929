/// Scoring rows from app, which knows both the runner and the scorers.
#pragma once

#include "base/result.h"
#include "evidence/scorer.h"
#include "report/run_folder.h"
#include "runner/runner.h"

namespace vauban {

/// What run_chunk calls for every row. Errors: unknown scorers.
Result<RowFinisher> make_finisher(const Suite& suite);

/// The same row, its metrics recomputed from its stored text with the scorers that the run names.
Observation rescore_row(const Observation& row, const RunData& data);

}  // namespace vauban
