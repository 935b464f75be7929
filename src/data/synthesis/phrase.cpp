#include "data/synthesis/phrase.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::array kCases{std::pair{std::string_view("upper"), LetterCase::upper},
                            std::pair{std::string_view("lower"), LetterCase::lower},
                            std::pair{std::string_view("first_upper"), LetterCase::first_upper}};

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Result<PhrasePiece> parse_hole(std::string_view hole) {
  PhrasePiece piece{.is_hole = true};
  const std::size_t bar = hole.find('|');
  if (bar != std::string_view::npos) {
    const std::string_view name = hole.substr(bar + 1);
    const auto* const known = std::ranges::find(kCases, name, &std::pair<std::string_view, LetterCase>::first);
    if (known == kCases.end())
      return with_hint(invalid_input("unknown modifier '{}' in '{{{}}}'", name, hole),
                       "one of: upper, lower, first_upper");
    piece.letter_case = known->second;
  }
  const std::string_view name = hole.substr(0, bar);
  const std::size_t dot = name.find('.');
  piece.text = name.substr(0, dot);
  if (dot != std::string_view::npos) piece.column = name.substr(dot + 1);
  const bool has_gap = piece.text.empty() || (dot != std::string_view::npos && piece.column.empty());
  if (has_gap || name.find(' ') != std::string_view::npos)
    return invalid_input("'{{{}}}' is not the name of a slot or of a table's column", hole);
  if (!piece.column.empty()) VB_CHECK(parse_table_reference(piece.text));
  return piece;
}

void add_literal(Phrase& phrase, std::string& literal) {
  if (!literal.empty()) phrase.pieces.push_back({.text = std::exchange(literal, {})});
}

}  // namespace

Result<Phrase> parse_phrase(std::string_view source) {
  Phrase phrase{.source = std::string(source)};
  std::string literal;
  for (std::size_t at = 0; at < source.size(); ++at) {
    const char c = source[at];
    const bool doubled = (c == '{' || c == '}') && at + 1 < source.size() && source[at + 1] == c;
    if (doubled) ++at;
    if (doubled || (c != '{' && c != '}')) {
      literal += c;
      continue;
    }
    const std::size_t end = c == '{' ? source.find_first_of("{}", at + 1) : std::string_view::npos;
    if (end == std::string_view::npos || source[end] != '}')
      return with_hint(invalid_input("a '{}' without its partner in '{}'", c, printable(source)),
                       "a brace that is meant is doubled");
    add_literal(phrase, literal);
    VB_TRY(PhrasePiece piece, parse_hole(source.substr(at + 1, end - at - 1)));
    phrase.pieces.push_back(std::move(piece));
    at = end;
  }
  add_literal(phrase, literal);
  return phrase;
}

std::string with_case(std::string text, LetterCase letter_case) {
  if (letter_case == LetterCase::upper) std::ranges::transform(text, text.begin(), upper);
  if (letter_case == LetterCase::lower) std::ranges::transform(text, text.begin(), lower);
  if (letter_case == LetterCase::first_upper && !text.empty()) text[0] = upper(text[0]);
  return text;
}

Result<TableReference> parse_table_reference(std::string_view text) {
  const std::size_t hash = text.find('#');
  if (hash == std::string_view::npos) return TableReference{.table = std::string(text)};
  const std::string_view number = text.substr(hash + 1);
  if (number.size() != 1 || number[0] < '1' || number[0] > '9')
    return invalid_input("'{}': expected a digit from 1 to 9 after '#'", printable(text));
  return TableReference{.table = std::string(text.substr(0, hash)), .number = number[0] - '0'};
}

}  // namespace vauban
