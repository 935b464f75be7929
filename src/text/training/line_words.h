/// LineWords: words as SentencePiece's unigram trainer sees them.
///
/// Every line is a text of its own (a CR before its LF does not count). It gets a space in front; a word begins at each
/// space, which is written as U+2581. Only U+0020 is a space: tabs and others are characters. Runs of spaces are one
/// and those at the ends are none, unless `keep_spaces`. Symbols are cut out first and never counted.
#pragma once

#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/training/word_counts.h"

namespace vauban {

class LineWords final : public WordRule {
 public:
  LineWords(const std::vector<std::string>& symbols, bool keep_spaces);

  Result<void> cut(std::string_view text, WordTable& out) const override;
  std::size_t last_cut(std::string_view block) const override { return block.rfind('\n') + 1; }  // npos + 1 is 0

 private:
  void cut_line(std::string_view line, WordTable& out) const;
  void cut_plain(std::string_view text, bool at_start, WordTable& out) const;

  TokenTrie symbols_;
  bool keep_spaces_;
};

}  // namespace vauban
