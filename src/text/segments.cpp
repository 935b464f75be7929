#include "text/segments.h"

#include <algorithm>

namespace vauban {
namespace {

/// Joins a part to its neighbour where `joins(part, previous_matched)` says so, walking in the given order.
template <class Joins>
std::vector<ByteRange> join_parts(std::span<const SplitPart> parts, const Joins& joins) {
  std::vector<ByteRange> out;
  bool previous = false;
  for (const SplitPart& part : parts) {
    if (!out.empty() && joins(part.matched, previous)) {
      out.back().begin = std::min(out.back().begin, part.begin);
      out.back().end = std::max(out.back().end, part.end);
    } else {
      out.push_back({part.begin, part.end});
    }
    previous = part.matched;
  }
  return out;
}

constexpr auto kFirstOfMatches = [](bool matched, bool previous) { return matched && !previous; };
constexpr auto kSameKind = [](bool matched, bool previous) { return matched == previous; };
constexpr auto kNever = [](bool, bool) { return false; };

}  // namespace

std::vector<SplitPart> parts_of(std::span<const ByteRange> matches, std::size_t size) {
  std::vector<SplitPart> parts;
  parts.reserve(matches.size() * 2 + 1);
  std::size_t end = 0;
  for (const ByteRange& match : matches) {
    if (end != match.begin) parts.push_back({end, match.begin, false});
    parts.push_back({match.begin, match.end, true});
    end = match.end;
  }
  if (end != size) parts.push_back({end, size, false});
  return parts;
}

std::vector<ByteRange> apply_behavior(std::span<const SplitPart> parts, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::isolated:
      return join_parts(parts, kNever);
    case SplitBehavior::contiguous:
      return join_parts(parts, kSameKind);
    case SplitBehavior::merged_with_previous:
      return join_parts(parts, kFirstOfMatches);
    case SplitBehavior::merged_with_next: {
      const std::vector<SplitPart> backwards(parts.rbegin(), parts.rend());
      std::vector<ByteRange> out = join_parts(backwards, kFirstOfMatches);
      std::reverse(out.begin(), out.end());
      return out;
    }
    case SplitBehavior::removed:
      break;
  }
  std::vector<ByteRange> out;
  for (const SplitPart& part : parts)
    if (!part.matched) out.push_back({part.begin, part.end});
  return out;
}

Result<void> split_pieces(Segments& segments, SplitBehavior behavior, const FindParts& find) {
  std::vector<Piece> pieces;
  pieces.reserve(segments.pieces.size() * 2);
  for (const Piece& piece : segments.pieces) {
    if (piece.token >= 0) {
      pieces.push_back(piece);
      continue;
    }
    VB_TRY(const std::vector<SplitPart> parts, find(segments.view(piece)));
    for (const ByteRange& part : apply_behavior(parts, behavior))
      if (part.begin < part.end) pieces.push_back({piece.begin + part.begin, piece.begin + part.end});
  }
  segments.pieces = std::move(pieces);
  return ok();
}

Result<void> split_at_matches(Segments& segments, const Regex& regex) {
  std::vector<Piece> pieces;
  pieces.reserve(segments.pieces.size() + segments.text.size() / 4);
  for (const Piece& piece : segments.pieces) {
    if (piece.token >= 0) {
      pieces.push_back(piece);
      continue;
    }
    VB_TRY(const std::vector<ByteRange> matches, regex.find_all(segments.view(piece)));
    std::size_t end = piece.begin;
    for (const ByteRange& match : matches) {
      if (end < piece.begin + match.begin) pieces.push_back({end, piece.begin + match.begin});
      if (match.begin < match.end) pieces.push_back({piece.begin + match.begin, piece.begin + match.end});
      end = piece.begin + match.end;
    }
    if (end < piece.end) pieces.push_back({end, piece.end});
  }
  segments.pieces = std::move(pieces);
  return ok();
}

}  // namespace vauban
