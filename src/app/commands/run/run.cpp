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
  f("config", c.config, {.help = "TOML file with [audit] or [diff]: see `vauban schema config`", .required = true, .positional = true, .metavar = "CONFIG.toml"});
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

/// The file's [common] table, with the command line's own flags on top where they were not left at their defaults.
CommonOptions merged(const RunConfig& file, const CommonOptions& flags) {
  CommonOptions options = file.common;
  const CommonOptions defaults;
  if (flags.threads != defaults.threads) options.threads = flags.threads;
  if (flags.backend != defaults.backend) options.backend = flags.backend;
  if (flags.device != defaults.device) options.device = flags.device;
  if (flags.numerics != defaults.numerics) options.numerics = flags.numerics;
  if (flags.seed != defaults.seed) options.seed = flags.seed;
  if (flags.memory != defaults.memory) options.memory = flags.memory;
  options.json |= flags.json;
  options.quiet |= flags.quiet;
  return options;
}

Result<int> run_run(const RunCommandConfig& config, Session& outer) {
  ReadNotes notes;
  VB_TRY(RunConfig file, read_toml_file<RunConfig>(config.config, &notes));
  for (const ReadNote& note : notes.notes) outer.out().note(format("note: {}: {}", note.path, note.text));
  if (file.audit.has_value() + file.diff.has_value() != 1)
    return with_hint(invalid_input("{}: expected exactly one of [audit], [diff]", config.config), "`vauban init` writes one to start from");
  Session session(merged(file, config.common), outer.command_line());
  if (file.audit) {
    file.audit->plan |= config.plan;
    VB_TRY(const Json answer, audit(*file.audit, session));
    return print(answer, file.audit->plan, file.audit->out, session);
  }
  VB_TRY(const Json answer, diff(*file.diff, session));
  return print(answer, false, file.diff->out.value_or(""), session);
}

}  // namespace

Command run_command() {
  return make_command<RunCommandConfig>({"run", "do what a configuration file says", "`vauban CONFIG.toml` is the same. Paths are relative to the file."}, run_run);
}

}  // namespace vauban
