/// Which characters may stand in one unigram piece: those of one script, digits apart from letters.
///
/// As SentencePiece's split_by_unicode_script and split_by_number: Hiragana, Katakana and Han count as one script;
/// a mark takes the script of what it stands on; everything that belongs to no script of its own (digits, punctuation,
/// symbols, emoji) is `common`. Scripts that are not in the list of character_class.cpp share one class.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace vauban {

class CharacterClasses {
 public:
  static constexpr std::uint8_t kCommon = 0, kInherited = 1;

  /// Of these characters (valid code points). Errors: those of the regular expressions; none is expected.
  static Result<CharacterClasses> of(const std::vector<char32_t>& characters);
  std::uint8_t operator()(char32_t character) const;

 private:
  std::unordered_map<char32_t, std::uint8_t> classes_;
};

}  // namespace vauban
