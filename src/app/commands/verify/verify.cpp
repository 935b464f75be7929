/// vauban verify RUN: recomputes a run from its raw files.

#include "app/command.h"
#include "app/scoring.h"
#include "report/verify.h"

namespace vauban {
namespace {

struct VerifyConfig {
  std::string run;
  CommonOptions common;
};

void fields(VerifyConfig& c, FieldVisitor& f) {
  f("run", c.run, {.help = "run folder", .required = true, .positional = true, .file = true});
  fields(c.common, f);
}

Json to_json(const VerifyResult& result) {
  Json failures = Json::array();
  for (const VerifyFailure& failure : result.failures)
    failures.push_back(Json::object({{"file", failure.file}, {"what", failure.what}, {"expected", failure.expected}, {"found", failure.found}}));
  return Json::object({{"ok", result.ok}, {"checked", result.checked}, {"failures", std::move(failures)}, {"notes", Json(result.notes)}});
}

Result<int> run_verify(const VerifyConfig& config, Session& session) {
  VB_TRY(const VerifyResult result, verify_run(config.run, rescore_row));
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(to_json(result)));
    return result.ok ? 0 : 1;
  }
  for (const VerifyFailure& failure : result.failures)
    session.out().text(format("FAULT {}: {}: expected {}, found {}\n", failure.file, failure.what, failure.expected, failure.found));
  for (const std::string& note : result.notes) session.out().text(format("note: {}\n", note));
  session.out().text(format("{}: {} checks, {} faults\n", result.ok ? "ok" : "FAILED", result.checked, result.failures.size()));
  return result.ok ? 0 : 1;
}

}  // namespace

Command verify_command() {
  return make_command<VerifyConfig>(
      {"verify", "recompute a run from its raw files, offline",
       "Checks the SHA-256 of every file against manifest.json, scores the stored texts again, recomputes every number of "
       "evidence.json, claims.json and report.json, and renders report.md again. Exit code 1 when anything differs."},
      run_verify);
}

}  // namespace vauban
