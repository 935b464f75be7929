#include "data/synthesis/expander.h"

#include <algorithm>

namespace vauban {

std::string Expander::expand(const Phrase& phrase) {
  std::string out;
  for (const PhrasePiece& piece : phrase.pieces) {
    if (!piece.is_hole) {
      out += piece.text;
      continue;
    }
    out += with_case(piece.column.empty() ? slot_value(piece.text) : cell(piece), piece.letter_case);
  }
  return out;
}

const std::string& Expander::slot_value(const std::string& name) {
  if (const auto bound = slots_.find(name); bound != slots_.end()) return bound->second;
  const Slot& slot = *grammar_.find_slot(intent_, name);  // the loader checked that it is there
  const bool held_out = split_ == WordingSplit::heldout && !slot.heldout.empty();
  return slots_[name] = expand(choose(held_out ? slot.heldout : slot.values));
}

const std::string& Expander::cell(const PhrasePiece& piece) {
  const TableReference reference = *parse_table_reference(piece.text);  // checked when the phrase was read
  const FactsTable& table = grammar_.tables.find(reference.table)->second;
  std::vector<std::size_t>& rows = rows_[reference.table];
  while (rows.size() < static_cast<std::size_t>(reference.number)) {
    const std::size_t row = rng_.below(table.rows.size());
    if (std::ranges::find(rows, row) == rows.end()) rows.push_back(row);
  }
  return table.rows[rows[static_cast<std::size_t>(reference.number - 1)]][table.column(piece.column)];
}

}  // namespace vauban
