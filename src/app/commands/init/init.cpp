/// vauban init [DIR]: a suite and a configuration to start from.

#include <filesystem>

#include "app/command.h"
#include "app/commands/init/templates.h"
#include "base/files.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

struct InitConfig {
  std::string dir = ".";
  bool force = false;
  CommonOptions common;
};

void fields(InitConfig& c, FieldVisitor& f) {
  f("dir", c.dir, {.help = "folder for audit.toml and suite.toml", .positional = true, .metavar = "DIR", .file = true});
  f("force", c.force, {.help = "replace files that are there"});
  fields(c.common, f);
}

Result<int> run_init(const InitConfig& config, Session& session) {
  const fs::path folder = config.dir;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return io("could not make the folder '{}': {}", config.dir, error.message());
  Json written = Json::array();
  for (const InitTemplate& file : init_templates())
    if (fs::exists(folder / file.name) && !config.force)
      return with_hint(invalid_input("'{}' is already there", (folder / file.name).string()), "use --force to replace it");
  for (const InitTemplate& file : init_templates()) {
    VB_CHECK(write_file_atomic(folder / file.name, file.text));
    written.push_back((folder / file.name).string());
  }
  if (session.out().json()) {
    VB_CHECK(session.out().print_json(Json::object({{"written", std::move(written)}})));
  } else {
    for (const Json& path : written.items()) session.out().text(format("wrote {}\n", path.as_string()));
    session.out().text(format("next: put two models into {0}/audit.toml, then run `vauban {0}/audit.toml`\n", config.dir));
  }
  return 0;
}

}  // namespace

Command init_command() { return make_command<InitConfig>({"init", "write a suite and a configuration to start from", ""}, run_init); }

}  // namespace vauban
