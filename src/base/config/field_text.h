/// What help and manual say about one field.
#pragma once

#include <string>

#include "base/config/fields.h"

namespace vauban {

/// "N", "LIST", "TEXT", or what the spec says.
std::string metavar_of(const BoundField& field);
/// "-n, --max-tokens N", "--[no-]json"
std::string flag_usage(const BoundField& field);
/// "max_tokens = integer", "[sampling]", "[[prompts]]"; `parent` is the dotted path of the table around it.
std::string key_usage(const BoundField& field, const std::string& parent);
/// "required", range, choices, default: what follows the help phrase in brackets; "" when there is nothing to say.
std::string constraints(const BoundField& field);

}  // namespace vauban
