/// Segments: normalised text and how it is cut into pieces so far. What pre-tokenisers work on.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "text/aligned_text.h"
#include "text/regex.h"

namespace vauban {

struct Piece {
  std::size_t begin = 0, end = 0;  ///< bytes of the text
  std::int32_t token = -1;         ///< an added token that is already decided, else -1
};

struct Segments {
  AlignedText text;
  std::vector<Piece> pieces;

  std::string_view view(const Piece& piece) const { return text.view(piece.begin, piece.end); }
};

/// What becomes of the stretches that a splitter matched.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

/// A part of a piece: matched or not. Parts lie side by side and cover the piece.
struct SplitPart {
  std::size_t begin = 0, end = 0;
  bool matched = false;
};

/// Matches and what lies between them, as parts of `size` bytes.
std::vector<SplitPart> parts_of(std::span<const ByteRange> matches, std::size_t size);
/// The parts that are left, in order, after `behavior` has joined or removed some.
std::vector<ByteRange> apply_behavior(std::span<const SplitPart> parts, SplitBehavior behavior);

/// Cuts every undecided piece with `find(text)`, which gives Result<std::vector<SplitPart>>. Empty parts are dropped.
using FindParts = std::function<Result<std::vector<SplitPart>>(std::string_view)>;
Result<void> split_pieces(Segments& segments, SplitBehavior behavior, const FindParts& find);

/// Cuts every undecided piece at the beginning and the end of every match.
Result<void> split_at_matches(Segments& segments, const Regex& regex);

/// Rewrites every undecided piece: `rewrite(segments, piece, out)` appends the new text of `piece` to `out`.
template <class Rewrite>
void rewrite_pieces(Segments& segments, const Rewrite& rewrite) {
  Segments out;
  out.pieces.reserve(segments.pieces.size());
  for (const Piece& piece : segments.pieces) {
    const std::size_t begin = out.text.size();
    if (piece.token >= 0)
      out.text.append(segments.text, piece.begin, piece.end);
    else
      rewrite(segments, piece, out.text);
    out.pieces.push_back({begin, out.text.size(), piece.token});
  }
  segments = std::move(out);
}

}  // namespace vauban
