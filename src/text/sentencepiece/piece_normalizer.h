/// SentencePiece's way of normalising: character rules, then spaces (shown as U+2581), with a dummy prefix.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/sentencepiece/charsmap.h"
#include "text/sentencepiece/piece_model.h"

namespace vauban {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

struct NormalizedPieceText {
  std::string text;
  std::vector<std::uint32_t> origins;  ///< of each byte and of the end: a byte offset of the input
};

class PieceNormalizer {
 public:
  /// Errors: corrupt for broken rules.
  static Result<PieceNormalizer> make(const PieceModel& model);

  /// `at`: where `text` begins in the input.
  NormalizedPieceText apply(std::string_view text, std::size_t at) const;
  /// User-defined symbols: they are not normalised, and no merge reaches into them.
  const TokenTrie& user_symbols() const { return user_symbols_; }

 private:
  struct Chunk {
    std::string_view text;  ///< after the rules
    std::size_t consumed;   ///< bytes of the input
  };
  Chunk next(std::string_view text) const;

  TokenTrie user_symbols_;
  std::optional<Charsmap> rules_;
  bool add_dummy_prefix_ = true, remove_extra_ = true, suffix_ = false;
  std::string_view space_ = kSpaceMark;
};

}  // namespace vauban
