/// vauban diff A B: two observation files, two run folders, or two models.

#include "app/command.h"
#include "app/diff/diff.h"
#include "app/diff/model_diff.h"
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
  if (names_models(config.diff)) {
    VB_TRY(const Json report, diff_models(config.diff, session));
    if (!session.out().json()) {
      session.out().text(render_model_diff(report));
      return 0;
    }
    VB_CHECK(session.out().print_json(report));
    return 0;
  }
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
      {"diff", "compare two observation files, two run folders or two models",
       "Rows are paired by prompt id and sample. Files of the earlier Python tool, and JSON arrays with `prompt` and `response`, load "
       "as they are. Without stored logits the level is a black-box diff at most.\n\nThe exit code is the verdict: 4 when no gates decide.\n\n"
       "Two models: configuration, tokenizer, chat template, and of every tensor the size of the change, cosine, share of changed signs and "
       "effective rank. Folders and GGUF files compare with each other. What the change does is not told (see `vauban audit`), so the exit "
       "code is 0."},
      run_diff);
}

}  // namespace vauban
