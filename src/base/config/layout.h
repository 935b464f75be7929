/// Plain text in columns, for help and manual pages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vauban {

inline constexpr std::size_t kTextWidth = 80;

/// `text` broken at spaces into lines of at most kTextWidth columns (a longer word stays whole), each after `indent`
/// spaces and ended by a newline. A newline in `text` stays a line break. Columns count code points.
std::string wrapped(std::string_view text, std::size_t indent);

/// `left` after `indent` spaces and `right` wrapped from `column` on; on a line of its own where `left` is too long.
std::string two_columns(std::string_view left, std::string_view right, std::size_t indent, std::size_t column);

}  // namespace vauban
