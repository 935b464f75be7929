/// UTF-8 as code points, the unit of Python's strings.
#pragma once

#include <string>
#include <string_view>

namespace vauban::jinja {

std::u32string to_code_points(std::string_view text);
std::string from_code_points(std::u32string_view points);
/// str.isspace of one character: White_Space and the four separators of ASCII.
bool is_python_space(char32_t value);

std::string upper_text(std::string_view text);
std::string lower_text(std::string_view text);
/// The first character in title case, the rest in lower case.
std::string capitalized(std::string_view text);
/// Without the characters of `unwanted` (white space when null) at the sides that are asked for.
std::string stripped(std::string_view text, const std::string* unwanted, bool left, bool right);

}  // namespace vauban::jinja
