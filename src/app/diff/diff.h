/// diff: two sets of observation rows -> report.
#pragma once

#include "app/diff/diff_config.h"
#include "app/session.h"
#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// The report of B against A (cli.md), with `kind`: "observations" or "runs", and `metrics`: the metric_deltas. Two run folders are compared by their
/// candidates. Errors: those of the files; unsupported for models.
Result<Json> diff(const DiffConfig& config, Session& session);

}  // namespace vauban
