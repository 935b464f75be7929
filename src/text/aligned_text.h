/// AlignedText: text under rewriting that remembers, for each of its bytes, which bytes of the input it came from.
///
/// Every normaliser and pre-tokeniser works on it, so that a token's offsets are right however the text was changed.
/// Until the first change no table is kept. Offsets are bytes of the input (below 4 GiB).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"
#include "text/unicode.h"

namespace vauban {

/// The input bytes [begin, end) that one byte of the text stands for.
struct Origin {
  std::uint32_t begin = 0, end = 0;
};

class AlignedText {
 public:
  AlignedText() = default;
  /// `text` as it stands at byte `at` of the input.
  AlignedText(std::string_view text, std::size_t at) : text_(text), base_(static_cast<std::uint32_t>(at)) {}

  std::string_view view() const { return text_; }
  std::string_view view(std::size_t begin, std::size_t end) const { return view().substr(begin, end - begin); }
  std::size_t size() const { return text_.size(); }
  bool empty() const { return text_.empty(); }

  /// Where byte `at` came from; a byte of an unchanged character stands for the whole character.
  Origin origin(std::size_t at) const;
  /// Where the bytes [begin, end) came from. An empty range gives an empty span.
  TokenSpan span(std::size_t begin, std::size_t end) const;

  /// Rewrites all of the text. `dropped` characters at its beginning are left out first.
  void transform(std::span<const Change> changes, std::size_t dropped = 0);

  void append(const AlignedText& other);
  void append(const AlignedText& other, std::size_t begin, std::size_t end);
  /// Appends characters that stand for `origin`.
  void append(std::string_view bytes, Origin origin);

 private:
  void spell_out();  ///< makes the table explicit

  std::string text_;
  std::uint32_t base_ = 0;       ///< while origins_ is empty: byte i came from base_ + i
  std::vector<Origin> origins_;  ///< one per byte of text_, or empty
};

}  // namespace vauban
