/// Charsmap: the precompiled normalisation rules of SentencePiece, a double-array trie (darts-clone) and its strings.
/// Immutable. Every index is checked: the blob comes from a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

class Charsmap {
 public:
  /// Layout: u32 size of the trie in bytes, the trie (u32 units), strings that end with NUL; little endian.
  static Result<Charsmap> parse(std::string_view blob);

  struct Rule {
    std::size_t size = 0;          ///< bytes of the text that it replaces
    std::string_view replacement;  ///< lives as long as the Charsmap
  };
  /// The longest rule for a prefix of `text`.
  std::optional<Rule> longest(std::string_view text) const;
  std::optional<Rule> shortest(std::string_view text) const;

 private:
  std::optional<Rule> find(std::string_view text, bool longest) const;

  std::vector<std::uint32_t> units_;
  std::string strings_;
};

}  // namespace vauban
