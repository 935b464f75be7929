/// A look at TOML text before the parser sees it: bounds on what the parser would do recursively or in quadratic time.
#pragma once

#include <string_view>

#include "base/result.h"

namespace vauban {

/// Walks strings, comments, brackets and key dots. A text that passes is not yet valid TOML, but in one that is, values
/// nest at most kMaxTomlDepth deep, dotted keys have at most as many parts, and there are at most kMaxTomlTables table
/// headers and dotted keys.
/// Errors: resource, with file, line and column.
Result<void> scan_toml(std::string_view text, std::string_view file_name);

}  // namespace vauban
