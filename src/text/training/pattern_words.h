/// PatternWords: words as the pre-tokenizer of a byte-level BPE sees them.
///
/// The patterns cut one after the other, each what the last one left; what no alternative matches is a word too.
/// Special tokens are cut out first and never counted, so that no merge reaches into or across them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "text/added_tokens.h"
#include "text/regex.h"
#include "text/training/word_counts.h"

namespace vauban {

class PatternWords final : public WordRule {
 public:
  /// Errors: corrupt for a pattern that does not compile.
  static Result<PatternWords> make(std::span<const std::string_view> patterns, const std::vector<std::string>& specials);

  Result<void> cut(std::string_view text, WordTable& out) const override;
  /// Before a space or newline behind a letter or digit, not inside a special token. Holds for patterns in which no
  /// alternative goes on from a letter or digit to white space, and none looks behind: all of gguf_pre.cpp.
  std::size_t last_cut(std::string_view block) const override;

 private:
  Result<void> cut_plain(std::string_view text, WordTable& out) const;
  bool inside_special(std::string_view block, std::size_t at) const;

  std::vector<Regex> patterns_;
  TokenTrie specials_;
  std::size_t longest_special_ = 0;
};

}  // namespace vauban
