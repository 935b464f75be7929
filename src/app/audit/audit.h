/// audit: base x candidate x suite -> run folder -> report.
#pragma once

#include "app/audit/audit_config.h"
#include "app/session.h"
#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// Runs, resumes or renders again. The value is report.json (or the plan). Errors: invalid_input for a folder that belongs
/// to another run; cancelled leaves a folder that the same call resumes.
Result<Json> audit(const AuditConfig& config, Session& session);

}  // namespace vauban
