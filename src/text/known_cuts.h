/// The regular expressions by which most byte-level tokenizers cut text into words, as plain code: several times faster than
/// Oniguruma, which stays the judge of what they mean (known_cuts_test.cpp compares the two).
#pragma once

#include <string_view>
#include <vector>

#include "text/regex.h"

namespace vauban {

/// Appends the matches of a whole text (valid UTF-8), as Regex::find_all gives them.
using KnownCut = void (*)(std::string_view text, std::vector<ByteRange>& matches);

/// Null for a pattern that is not one of them.
KnownCut find_known_cut(std::string_view pattern);
std::vector<std::string_view> all_known_cuts();

}  // namespace vauban
