/// TOML text -> ConfigNode. The one adapter to toml++ is toml.cpp.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/config/node.h"
#include "base/result.h"

namespace vauban {

inline constexpr std::size_t kMaxTomlBytes = std::size_t{8} << 20;
inline constexpr int kMaxTomlDepth = 64;  ///< of arrays and inline tables, and parts of one dotted key
inline constexpr int kMaxTomlTables = 20000;  ///< table headers and dotted keys: the parser looks each up in a list

/// A table node with the position of every key and value.
/// Errors: invalid_input "file:line:column: ..." for a text that is not TOML 1.0 or not UTF-8; resource beyond the
/// limits above.
Result<ConfigNode> parse_toml(std::string_view text, std::string_view file_name);

}  // namespace vauban
