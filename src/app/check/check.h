/// check: ten stages of numbers over a model.
#pragma once

#include "app/check/stage.h"
#include "app/check/subject.h"
#include "base/json.h"

namespace vauban {

struct CheckStage {
  std::string_view name;
  std::string_view summary;  ///< what it tests
  void (*run)(CheckSubject& subject, Findings& findings);
};
std::span<const CheckStage> all_check_stages();

/// Errors: those of opening the container; cancelled. A fault is no error but a stage that failed.
Result<std::vector<StageResult>> check_model(const CheckOptions& options, Session& session);
/// 1 where a stage failed; 4 where one could not run; else 0.
int exit_code_of(const std::vector<StageResult>& stages);
std::string_view to_string(StageStatus status);

}  // namespace vauban
