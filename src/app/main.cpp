/// vauban COMMAND [options], or vauban CONFIG.toml.

#include <algorithm>
#include <cstdio>
#include <new>
#include <stdexcept>

#include "app/commands/commands.h"
#include "app/version.h"
#include "base/strings.h"

namespace vauban {
namespace {

std::string overview() {
  std::string text = format(
      "vauban {}: what changes when a model changes?\n\n"
      "usage: vauban COMMAND [options]\n"
      "       vauban CONFIG.toml              the same as `vauban run CONFIG.toml`\n\ncommands:\n",
      version());
  for (const Command& command : all_commands()) text += format("  {:<15}{}\n", command.info.name, command.info.summary);
  text +=
      "\n`vauban COMMAND --help` lists the options, `vauban man TOPIC` says more.\n"
      "exit codes: 0 pass, 1 a gate failed or a fault was found, 2 usage or configuration, 3 runtime or model error,\n"
      "            4 inconclusive, 130 cancelled\n";
  return text;
}

Result<int> dispatch(std::vector<std::string> args) {
  if (args.empty()) {
    Output(false).note(overview());
    return 2;
  }
  if (args[0] == "help" && args.size() > 1) args = {args[1], "--help"};
  if (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
    Output(false).text(overview());
    return 0;
  }
  if (args[0] == "--version") {
    Output(false).text(format("vauban {}\n", version()));
    return 0;
  }
  if (args[0].ends_with(".toml")) args.insert(args.begin(), "run");
  VB_TRY(const Command* command, find_command(args[0]));
  return command->run(std::span(args).subspan(1));
}

/// No memory is an answer like any other. What the command held is free again where this returns.
Result<int> dispatch_within_memory(std::vector<std::string> args) {
  try {
    return dispatch(std::move(args));
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {  // a size that no memory could hold
  }
  return with_hint(resource("not enough memory for this command"), "free some memory or raise the limit (`ulimit -v`), or give it less at once");
}

}  // namespace
}  // namespace vauban

int main(int argc, char** argv) {
  using namespace vauban;
  install_signal_handlers();
  std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  const bool json = std::find(args.begin(), args.end(), "--json") != args.end();
  const Result<int> result = dispatch_within_memory(std::move(args));
  if (result && std::ferror(stdout)) {
    Output(false).note("vauban: io: could not write to stdout");
    return exit_code_of(ErrorCode::io);
  }
  if (result) return *result;
  Output out(json);
  out.note(format("vauban: {}: {}", to_string(result.error().code), printable(describe(result.error()), 4000)));
  if (json && !out.print_json_line(to_json(result.error()))) return 3;
  return exit_code_of(result.error().code);
}
