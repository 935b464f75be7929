/// Names from a file, made fit for a terminal and for XML.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vauban {

/// printable(), and also no C1 controls, direction marks, line separators or non-characters: they become \u{HEX}. The
/// result is one line of valid UTF-8 that a terminal shows in the order of its bytes.
std::string shown(std::string_view text, std::size_t max_bytes = 200);

/// shown() as XML character data or an attribute's value.
std::string xml_text(std::string_view text, std::size_t max_bytes = 200);

/// Code points of valid UTF-8: columns of a terminal for the signs that pictures and names are mostly made of.
std::size_t columns(std::string_view text);

}  // namespace vauban
