#include "app/check/check.h"

#include <algorithm>

// One line per stage: `name` stands for `extern const CheckStage` in stages/.
#define VAUBAN_CHECK_STAGES(X) \
  X(file)                      \
  X(tokenizer)                 \
  X(embedding)                 \
  X(norm)                      \
  X(positional)                \
  X(attention)                 \
  X(mlp)                       \
  X(head)                      \
  X(logits)                    \
  X(sampler)

namespace vauban {

#define VAUBAN_DECLARE(name) CheckStage name##_stage();
VAUBAN_CHECK_STAGES(VAUBAN_DECLARE)
#undef VAUBAN_DECLARE

std::span<const CheckStage> all_check_stages() {
#define VAUBAN_ENTRY(name) name##_stage(),
  static const std::vector<CheckStage> stages{VAUBAN_CHECK_STAGES(VAUBAN_ENTRY)};
#undef VAUBAN_ENTRY
  return stages;
}

Result<std::vector<StageResult>> check_model(const CheckOptions& options, Session& session) {
  VB_TRY(const std::unique_ptr<CheckSubject> subject, CheckSubject::open(options, session));
  std::vector<StageResult> results;
  std::uint64_t done = 0;
  for (const CheckStage& stage : all_check_stages()) {
    session.context().progress.update("check", done++, all_check_stages().size(), "stages");
    Findings findings;
    stage.run(*subject, findings);
    VB_CHECK(session.context().cancel.check());
    results.push_back(findings.result(std::string(stage.name)));
  }
  session.context().progress.finish("check");
  return results;
}

int exit_code_of(const std::vector<StageResult>& stages) {
  const auto any = [&](StageStatus status) { return std::ranges::any_of(stages, [&](const StageResult& s) { return s.status == status; }); };
  return any(StageStatus::fail) ? 1 : any(StageStatus::skipped) ? 4 : 0;
}

std::string_view to_string(StageStatus status) {
  switch (status) {
    case StageStatus::pass: return "pass";
    case StageStatus::fail: return "fail";
    case StageStatus::skipped: return "skipped";
  }
  return "";
}

}  // namespace vauban
