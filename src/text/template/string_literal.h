/// String literals of Python: escapes become characters.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace vauban::jinja {

/// `body`: what stands between the quotes. An unknown escape stays as it is, as in Python.
/// Errors: invalid_input for a number escape that is cut short or names no character, and for \N{...}.
Result<std::string> decode_string_literal(std::string_view body);

}  // namespace vauban::jinja
