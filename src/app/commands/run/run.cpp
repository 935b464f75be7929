/// vauban run CONFIG.toml, and vauban CONFIG.toml.

#include "app/audit/audit.h"
#include "app/command.h"
#include "app/commands/run/run_config.h"
#include "app/diff/diff.h"
#include "base/config/reader.h"
#include "report/report.h"

namespace vauban {
namespace {

struct RunCommandConfig {
  std::string config;
  bool plan = false;
  CommonOptions common;
};

void fields(RunCommandConfig& c, FieldVisitor& f) {
  f("config", c.config, {.help = "TOML file with one of [audit], [diff], [trace], [measure], [steer], [probe], [scan]: see `vauban schema config`", .required = true, .positional = true, .metavar = "CONFIG.toml", .file = true});
  f("plan", c.plan, {.help = "say what would be done, and stop"});
  fields(c.common, f);
}

Result<int> print(const Json& answer, bool plan, const std::string& out, Session& session) {
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(answer));
    return plan ? 0 : exit_code_of(answer);
  }
  if (plan) {
    VB_TRY(const std::string text, answer.dump(2));
    session.out().text(text + "\n");
    return 0;
  }
  session.out().text(verdict_lines(answer) + (out.empty() ? "" : format("report: {}/report.md\n", out)));
  return exit_code_of(answer);
}

/// The file's [common] table, with the flags that were given on top.
CommonOptions merged(const RunConfig& file, const Session& outer) {
  CommonOptions options = file.common;
  const CommonOptions& flags = outer.options();
  if (outer.was_given("threads")) options.threads = flags.threads;
  if (outer.was_given("backend")) options.backend = flags.backend;
  if (outer.was_given("device")) options.device = flags.device;
  if (outer.was_given("numerics")) options.numerics = flags.numerics;
  if (outer.was_given("primitive")) options.primitive = flags.primitive;
  if (outer.was_given("seed")) options.seed = flags.seed;
  if (outer.was_given("memory")) options.memory = flags.memory;
  if (outer.was_given("json")) options.json = flags.json;
  if (outer.was_given("quiet")) options.quiet = flags.quiet;
  return options;
}

Result<int> run_run(const RunCommandConfig& config, Session& outer) {
  ReadNotes notes;
  VB_TRY(RunConfig file, read_toml_file<RunConfig>(config.config, &notes));
  for (const ReadNote& note : notes.notes) outer.out().note(format("note: {}: {}", note.path, note.text));
  if (file.commands() != 1)
    return with_hint(invalid_input("{}: expected exactly one of [audit], [diff], [trace], [measure], [steer], [probe], [scan]", config.config), "`vauban init` writes one to start from");
  Session session(merged(file, outer), outer.command_line());
  if (file.audit) {
    file.audit->plan |= config.plan;
    VB_TRY(const Json answer, audit(*file.audit, session));
    return print(answer, file.audit->plan, file.audit->out, session);
  }
  if (config.plan) return invalid_input("{}: --plan goes with [audit]; there is nothing else to plan", config.config);
  if (file.trace) return run_trace(*file.trace, session);
  if (file.measure) return run_measure(*file.measure, session);
  if (file.steer) return run_steer(*file.steer, session);
  if (file.probe) return run_probe(*file.probe, session);
  if (file.scan) return run_scan(*file.scan, session);
  VB_TRY(const Json answer, diff(*file.diff, session));
  return print(answer, false, file.diff->out.value_or(""), session);
}

}  // namespace

Command run_command() {
  return make_command<RunCommandConfig>({"run", "do what a configuration file says", "`vauban CONFIG.toml` is the same. Paths are relative to the file."}, run_run);
}

}  // namespace vauban
