/// vauban audit BASE CANDIDATE --suite S --out DIR.

#include "app/audit/audit.h"
#include "app/command.h"
#include "report/report.h"

namespace vauban {
namespace {

struct AuditCommandConfig {
  AuditConfig audit;
  CommonOptions common;
};

void fields(AuditCommandConfig& c, FieldVisitor& f) {
  fields(c.audit, f);
  fields(c.common, f);
}

Result<int> run_audit(const AuditCommandConfig& config, Session& session) {
  VB_TRY(const Json answer, audit(config.audit, session));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer));
  } else if (config.audit.plan) {
    VB_TRY(const std::string text, answer.dump(2));
    session.out().text(text + "\n");
  } else {
    session.out().text(verdict_lines(answer) + format("report: {}/report.md\n", config.audit.out));
  }
  return config.audit.plan ? 0 : exit_code_of(answer);
}

}  // namespace

Command audit_command() {
  return make_command<AuditCommandConfig>(
      {"audit", "compare a changed model with its baseline on a suite, and report what may be claimed",
       "Both models answer every prompt of the suite; where they share a vocabulary they are also compared on identical token ids. "
       "Rows, traces and payloads are appended to the run folder as they come: the same command resumes after a crash, and renders "
       "again when everything is there. Other inputs are refused.\n\n"
       "The exit code is the verdict: 0 every gate passed, 1 a gate failed, 4 inconclusive."},
      run_audit);
}

}  // namespace vauban
