/// Text as scorers see it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vauban::scoring {

std::string ascii_lower(std::string_view text);
bool contains_any(std::string_view lowered, const std::vector<std::string_view>& phrases);
std::vector<std::string_view> words_of(std::string_view text);  ///< separated by white space
double count_code_points(std::string_view text);

/// Typographic quotes and apostrophes become ASCII ones, other dashes '-', no-break spaces a space; ASCII lower case.
std::string normalise(std::string_view text);

/// Without <think>...</think>, <thinking>, <reasoning> and <|channel|>analysis blocks; an unclosed block runs to the end.
std::string strip_reasoning(std::string_view text);

/// The first sentences: up to `limit` bytes, cut at the end of a sentence where there is one.
std::string_view opening(std::string_view text, std::size_t limit);

/// Splits at . ! ? and line breaks; the mark stays with its sentence.
std::vector<std::string_view> sentences_of(std::string_view text);

}  // namespace vauban::scoring
