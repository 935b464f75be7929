/// Command: a self-describing entry. To add one: a folder under commands/ with a config struct, its `fields` and a run
/// function, and a line in commands/commands.cpp. Flags, help, manual page and schema follow from the struct.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/options.h"
#include "app/session.h"
#include "base/config/flags.h"
#include "base/config/help.h"
#include "base/config/schema.h"

namespace vauban {

struct CommandInfo {
  std::string_view name;
  std::string_view summary;
  std::string_view description;  ///< paragraphs for the manual; may be empty
};

struct Command {
  CommandInfo info;
  /// `args` without the command's name. The value is the exit code.
  std::function<Result<int>(std::span<const std::string> args)> run;
  std::function<std::string()> help, man;
  std::function<Json()> schema;
  std::function<Result<void>()> check;  ///< check_declaration of its config struct; for tests
};

/// `C` has a member `CommonOptions common` that its `fields` visits too.
template <HasFields C>
Command make_command(const CommandInfo& info, Result<int> (*body)(const C& config, Session& session)) {
  const HelpInfo help{.name = format("vauban {}", info.name),
                      .summary = std::string(info.summary),
                      .description = std::string(info.description)};
  return Command{
      .info = info,
      .run = [=](std::span<const std::string> args) -> Result<int> {
        C config;
        VB_TRY(const ParsedFlags flags, parse_flags(config, args, {.program = help.name}));
        if (flags.help) {
          Output(false).text(help_text<C>(help));
          return 0;
        }
        std::vector<std::string> line{"vauban", std::string(info.name)};
        line.insert(line.end(), args.begin(), args.end());
        Session session(config.common, std::move(line), flags.given);
        return body(config, session);
      },
      .help = [=] { return help_text<C>(help); },
      .man = [=] { return man_text<C>(help); },
      .schema = [=] { return json_schema<C>(help.name); },
      .check = [] { return check_declaration<C>(); },
  };
}

}  // namespace vauban
