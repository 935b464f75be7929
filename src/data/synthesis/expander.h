/// Expander: fills the holes of the phrases of one exchange. A slot, and a table's row, keep their value throughout it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "data/synthesis/synthesize.h"

namespace vauban {

class Expander {
 public:
  Expander(const Grammar& grammar, const Intent* intent, WordingSplit split, Rng& rng)
      : grammar_(grammar), intent_(intent), split_(split), rng_(rng) {}

  std::string expand(const Phrase& phrase);
  const Phrase& choose(const std::vector<Phrase>& phrases) { return phrases[rng_.below(phrases.size())]; }

 private:
  const std::string& slot_value(const std::string& name);
  const std::string& cell(const PhrasePiece& piece);

  const Grammar& grammar_;
  const Intent* intent_;
  WordingSplit split_;
  Rng& rng_;
  std::map<std::string, std::string> slots_;
  std::map<std::string, std::vector<std::size_t>> rows_;  ///< of a table: the rows #1, #2 ...
};

}  // namespace vauban
