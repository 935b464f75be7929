/// Unicode questions that tokenizers ask. The one adapter to utf8proc (Unicode 14) is unicode.cpp.
///
/// Text is UTF-8; functions that walk text expect it to be valid (check once with first_invalid_utf8).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 1;  ///< bytes in UTF-8
};

/// The code point that starts at byte `at` (< text.size()). A byte that starts none comes back as itself, size 1.
CodePoint code_point_at(std::string_view text, std::size_t at);
void append_utf8(std::string& out, char32_t value);
std::string to_utf8(char32_t value);
std::size_t count_code_points(std::string_view text);
inline bool is_continuation_byte(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// Byte offset of the first byte that is not part of valid UTF-8 (overlong forms and surrogates are not valid).
std::optional<std::size_t> first_invalid_utf8(std::string_view text);
/// Bytes to text: each maximal invalid part becomes one U+FFFD (Unicode 15, section 3.9, best practice).
std::string to_utf8_lossy(std::string_view bytes);
/// Length of the valid code point that starts `bytes`, or 0.
std::size_t valid_code_point_size(std::string_view bytes);

/// Bytes of the extended grapheme cluster (UAX 29) that starts at byte `at` (< text.size()) of valid UTF-8.
std::size_t grapheme_size(std::string_view text, std::size_t at);

bool is_white_space(char32_t value);       ///< property White_Space
bool is_word_character(char32_t value);    ///< \w of UTS 18: alphabetic, mark, decimal number, connector, joiner
bool is_numeric(char32_t value);           ///< categories Nd, Nl, No
bool is_punctuation(char32_t value);       ///< ASCII punctuation (with symbols such as $) and categories P*
bool is_mark(char32_t value);              ///< categories M*
bool is_nonspacing_mark(char32_t value);   ///< category Mn
bool is_control_or_other(char32_t value);  ///< categories C*, unassigned not counted
bool is_cjk_ideograph(char32_t value);     ///< the blocks that BERT sets off with spaces

/// Full lower case of one code point on its own (no context: a final sigma stays a sigma).
std::u32string lower(char32_t value);

/// Full upper case of one code point on its own.
std::u32string upper(char32_t value);
char32_t title(char32_t value);       ///< simple title case
bool is_letter(char32_t value);       ///< categories L*
bool is_digit(char32_t value);        ///< Nd, and the superscript and circled digits (Python's isdigit)
bool is_upper_case(char32_t value);   ///< category Lu
bool is_lower_case(char32_t value);   ///< category Ll
bool is_printable(char32_t value);    ///< neither C*, unassigned, nor a separator other than the space

/// One step of a rewriting: `value` replaces a character (0), is inserted (> 0), or replaces one and swallows
/// `-change` more (< 0).
struct Change {
  char32_t value;
  int change;
};

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };
/// The normal form of valid UTF-8 together with where each character came from.
std::vector<Change> normal_form(std::string_view text, UnicodeForm form);

}  // namespace vauban
