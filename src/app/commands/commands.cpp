#include "app/commands/commands.h"

#include "base/strings.h"

// One line per command: `name` stands for `Command name_command()` in commands/name/.
#define VAUBAN_COMMANDS(X) \
  X(apply_template)        \
  X(audit)                 \
  X(check)                 \
  X(convert)               \
  X(data)                  \
  X(demo)                  \
  X(detokenize)            \
  X(diff)                  \
  X(doctor)                \
  X(flow)                  \
  X(generate)              \
  X(hex)                   \
  X(imatrix)               \
  X(init)                  \
  X(inspect)               \
  X(list)                  \
  X(logits)                \
  X(man)                   \
  X(measure)               \
  X(merge_adapter)         \
  X(probe)                 \
  X(profile)               \
  X(quantize)              \
  X(report)                \
  X(run)                   \
  X(scan)                  \
  X(schema)                \
  X(score)                 \
  X(steer)                 \
  X(tensors)               \
  X(tokenize)              \
  X(tokenizer)             \
  X(trace)                 \
  X(train)                 \
  X(tree)                  \
  X(verify)

namespace vauban {

#define VAUBAN_DECLARE(name) Command name##_command();
VAUBAN_COMMANDS(VAUBAN_DECLARE)
#undef VAUBAN_DECLARE

std::span<const Command> all_commands() {
#define VAUBAN_ENTRY(name) name##_command(),
  static const std::vector<Command> commands{VAUBAN_COMMANDS(VAUBAN_ENTRY)};
#undef VAUBAN_ENTRY
  return commands;
}

Result<const Command*> find_command(std::string_view name) {
  std::vector<std::string> names;
  for (const Command& command : all_commands()) {
    if (command.info.name == name) return &command;
    names.emplace_back(command.info.name);
  }
  const std::string near = did_you_mean(name, names);
  return with_hint(not_found("unknown command '{}'", name),
                   near.empty() ? "see `vauban --help`" : format("did you mean '{}'?", near));
}

}  // namespace vauban
