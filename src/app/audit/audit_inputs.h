/// What defines a run, and the folder that it lives in.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "app/audit/audit_config.h"
#include "app/session.h"
#include "base/json.h"
#include "base/result.h"
#include "suite/suite.h"
#include "text/tokenizer.h"
#include "vauban/runtime.h"

namespace vauban {

/// One side of an audit, ready to run.
struct AuditSide {
  std::unique_ptr<Runtime> runtime;
  std::shared_ptr<const Tokenizer> tokenizer;  ///< null where the model carries none
};

struct AuditSuite {
  Suite suite;
  std::string stored_text;  ///< what suite.toml of the run holds: no text that may not be stored
};
/// `suite`: a file, or an embedded one.
Result<AuditSuite> load_audit_suite(const std::string& suite);

/// inputs.json: digests and settings, no path and no clock; the run id is derived from it.
Result<Json> audit_inputs(const AuditConfig& config, const CommonOptions& common, const AuditSuite& suite, const AuditSide& base,
                          const AuditSide& candidate, const std::vector<Intervention>& edits);

/// models.json: identity, tokenizer and capability of both sides, and what they cannot be compared on.
Json audit_models(const AuditSide& base, const AuditSide& candidate);

/// Why the two sides cannot be scored on identical ids; empty when they can.
std::string vocabulary_difference(const AuditSide& base, const AuditSide& candidate);

/// A folder that is no run yet may be absent, or hold what an interrupted start left, and nothing of the user's. Errors:
/// invalid_input naming the first file in the way; io.
Result<void> check_unused(const std::filesystem::path& folder, const AuditSuite& suite);

/// Writes inputs.json, suite.toml, config.toml and models.json into a new folder, or checks that they are those of this run.
/// Errors: invalid_input naming the first input that differs.
Result<void> prepare_folder(const std::filesystem::path& folder, const std::string& config_toml, const AuditSuite& suite,
                            const Json& inputs, const Json& models);

}  // namespace vauban
