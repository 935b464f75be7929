/// Small text helpers without a better home.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);  ///< ASCII white space
bool is_valid_utf8(std::string_view text);
/// The text as an error message may show it: control characters and bytes that are not UTF-8 become \xHH, and what
/// exceeds about `max_bytes` becomes "...".
std::string printable(std::string_view text, std::size_t max_bytes = 200);
/// The nearest of `known` by edit distance (at most a third of the word's length, at least 1), or "".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);
Result<std::int64_t> parse_int(std::string_view text);
Result<double> parse_double(std::string_view text);  ///< finite only

}  // namespace vauban
