/// The list of commands: `vauban list commands`, help, manual and the command tests walk it.
#pragma once

#include <span>
#include <string_view>

#include "app/command.h"

namespace vauban {

std::span<const Command> all_commands();
/// Errors: not_found with a did-you-mean.
Result<const Command*> find_command(std::string_view name);

}  // namespace vauban
