/// vauban schema [WHAT]: JSON Schema of configuration files and commands.

#include "app/command.h"
#include "app/commands/commands.h"
#include "app/commands/run/run_config.h"
#include "app/intervention_file.h"
#include "base/strings.h"
#include "suite/suite_fields.h"
#include "train/training_config.h"

namespace vauban {
namespace {

struct SchemaConfig {
  std::string what = "config";
  CommonOptions common;
};

void fields(SchemaConfig& c, FieldVisitor& f) {
  f("what", c.what, {.help = "config, suite, interventions, training, or a command's name", .positional = true});
  fields(c.common, f);
}

Result<Json> schema_of(const std::string& what) {
  if (what == "config") return json_schema<RunConfig>("vauban configuration");
  if (what == "suite") return json_schema<SuiteFile>("vauban suite");
  if (what == "interventions") return json_schema<InterventionsFile>("vauban interventions");
  if (what == "training") return json_schema<TrainingConfig>("vauban training");
  std::vector<std::string> names{"config", "suite", "interventions", "training"};
  for (const Command& command : all_commands()) {
    if (command.info.name == what) return command.schema();
    names.emplace_back(command.info.name);
  }
  const std::string near = did_you_mean(what, names);
  return with_hint(not_found("no schema '{}'", what), near.empty() ? "one of: " + join(names, ", ") : format("did you mean '{}'?", near));
}

Result<int> run_schema(const SchemaConfig& config, Session& session) {
  VB_TRY(const Json schema, schema_of(config.what));
  VB_CHECK(session.out().print_json(schema));
  return 0;
}

}  // namespace

Command schema_command() {
  return make_command<SchemaConfig>({"schema", "JSON Schema of configuration files and commands", ""}, run_schema);
}

}  // namespace vauban
