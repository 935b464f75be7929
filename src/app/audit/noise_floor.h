/// The baseline against itself: what the measurement shows when nothing has changed.
#pragma once

#include <vector>

#include "app/audit/audit_config.h"
#include "app/session.h"
#include "base/json.h"
#include "base/result.h"
#include "runner/runner.h"
#include "suite/suite.h"
#include "vauban/runtime.h"

namespace vauban {

/// Runs the first prompts again, one at a time and with another thread count, and compares: floor.json, with one value per
/// metric: |difference of means|, or the divergence itself for two-model metrics.
Result<Json> measure_noise_floor(const AuditConfig& config, const Suite& suite, const RunPlan& plan, Runtime& baseline,
                                 const std::vector<Observation>& rows, const Session& session);

}  // namespace vauban
