/// Phrase: text with named holes, as a grammar writes it.
///
///   "The {gate.name} opens at {gate.opens}."     a column of a facts table; one row per dialogue
///   "{store.name} and {store#2.name}"            #2: another row of the same table
///   "{greeting|first_upper}"                     upper, lower and first_upper change the case of what is filled in
///   "{{\"gate\": 1}}"                            doubled braces are braces
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

enum class LetterCase { as_is, upper, lower, first_upper };

struct PhrasePiece {
  std::string text;    ///< literal text; of a hole, the slot or the table with its "#k"
  std::string column;  ///< of a table; "" for a slot
  bool is_hole = false;
  LetterCase letter_case = LetterCase::as_is;
};

struct Phrase {
  std::string source;
  std::vector<PhrasePiece> pieces;
};

/// Errors: invalid_input for a brace without its partner, an empty name, an unknown modifier.
Result<Phrase> parse_phrase(std::string_view source);

/// ASCII letters only; other bytes stay.
std::string with_case(std::string text, LetterCase letter_case);

/// "gate#2" -> {"gate", 2}; without '#': number 1. Errors: invalid_input unless the number is 1 to 9.
struct TableReference {
  std::string table;
  int number = 1;
};
Result<TableReference> parse_table_reference(std::string_view text);

}  // namespace vauban
