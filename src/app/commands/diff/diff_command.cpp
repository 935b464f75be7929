/// vauban diff A B: two observation files, or two run folders.

#include "app/command.h"
#include "app/diff/diff.h"
#include "report/report.h"

namespace vauban {
namespace {

struct DiffCommandConfig {
  DiffConfig diff;
  CommonOptions common;
};

void fields(DiffCommandConfig& c, FieldVisitor& f) {
  fields(c.diff, f);
  fields(c.common, f);
}

Result<int> run_diff(const DiffCommandConfig& config, Session& session) {
  VB_TRY(const Json report, diff(config.diff, session));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(report));
  } else {
    session.out().text(render_markdown(report));
  }
  return exit_code_of(report);
}

}  // namespace

Command diff_command() {
  return make_command<DiffCommandConfig>(
      {"diff", "compare two observation files or two run folders",
       "Rows are paired by prompt id and sample. Files of the earlier Python tool, and JSON arrays with `prompt` and `response`, load "
       "as they are. Without stored logits the level is a black-box diff at most.\n\nThe exit code is the verdict: 4 when no gates decide."},
      run_diff);
}

}  // namespace vauban
