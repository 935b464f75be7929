/// vauban report RUN: renders a run again from its stored files.

#include "app/command.h"
#include "app/folder_lock.h"
#include "report/report.h"

namespace vauban {
namespace {

struct ReportConfig {
  std::string run;
  CommonOptions common;
};

void fields(ReportConfig& c, FieldVisitor& f) {
  f("run", c.run, {.help = "run folder", .required = true, .positional = true, .file = true});
  fields(c.common, f);
}

Result<int> run_report(const ReportConfig& config, Session& session) {
  if (!std::filesystem::exists(std::filesystem::path(config.run) / run_files::kInputs))
    return not_found("'{}' is no run folder: it has no {}", config.run, run_files::kInputs);
  VB_TRY(const FolderLock lock, FolderLock::take(config.run));
  VB_TRY(const Json report, write_report(config.run));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(report));
  } else {
    session.out().text(render_markdown(report));
  }
  return exit_code_of(report);
}

}  // namespace

Command report_command() {
  return make_command<ReportConfig>({"report", "render a run again from its stored files", "Needs no model. The same run gives the same bytes."},
                                    run_report);
}

}  // namespace vauban
