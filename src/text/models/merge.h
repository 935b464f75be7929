/// Greedy pair merging, the heart of both kinds of BPE: the best adjacent pair first, the leftmost of equal ones.
///
/// Short runs of symbols are scanned for the best pair again and again; long ones keep the pairs in a heap, which is
/// O(n log n) and takes about 40 bytes of memory a symbol, so that 10 MB in one piece are fine.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <queue>
#include <vector>

namespace vauban {

/// A run of text that is one token so far. Symbols form a list over an array; a merged-away one has size 0.
struct Symbol {
  std::uint32_t begin = 0, size = 0;  ///< bytes of the piece
  std::int32_t id = -1;
  std::int32_t previous = -1, next = -1;
};

struct Merge {
  std::uint32_t rank = 0;  ///< lower is merged earlier
  std::int32_t id = -1;    ///< of the joined symbol
};

namespace merge_detail {

constexpr std::size_t kShort = 48;  ///< symbols; above, the heap is faster

/// Links the symbols in array order.
inline void link(std::vector<Symbol>& symbols) {
  const auto count = static_cast<std::int32_t>(symbols.size());
  for (std::int32_t i = 0; i < count; ++i) {
    symbols[static_cast<std::size_t>(i)].previous = i - 1;
    symbols[static_cast<std::size_t>(i)].next = i + 1 < count ? i + 1 : -1;
  }
}

/// `symbols` shrinks to what is left.
template <class Find>
void merge_short(std::vector<Symbol>& symbols, const Find& find) {
  constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();
  std::array<std::uint64_t, kShort> ranks;  // of symbol i and its neighbour; kNone when they do not merge
  std::array<std::int32_t, kShort> ids;
  const auto look = [&](std::size_t i) {
    ranks[i] = kNone;
    if (i + 1 >= symbols.size()) return;
    if (const std::optional<Merge> merge = find(symbols[i], symbols[i + 1], true)) {
      ranks[i] = merge->rank;
      ids[i] = merge->id;
    }
  };
  for (std::size_t i = 0; i < symbols.size(); ++i) look(i);
  while (symbols.size() > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < symbols.size(); ++i)
      if (ranks[i] < ranks[best]) best = i;
    if (ranks[best] == kNone) return;
    symbols[best].size += symbols[best + 1].size;
    symbols[best].id = ids[best];
    for (std::size_t i = best + 1; i + 1 < symbols.size(); ++i) {
      symbols[i] = symbols[i + 1];
      ranks[i] = ranks[i + 1];
      ids[i] = ids[i + 1];
    }
    symbols.pop_back();
    if (best > 0) look(best - 1);
    look(best);
  }
}

/// A pair in the heap is its rank and the place of its left symbol. Whether it is still there is looked up again when it
/// is taken out: what stands at that place then, if it has that rank, is what must merge next.
template <class Find>
void merge_long(std::vector<Symbol>& symbols, const Find& find) {
  std::vector<std::uint64_t> seed;
  seed.reserve(symbols.size());
  const auto at = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  const auto merge_at = [&](std::int32_t left, bool is_new) -> std::optional<Merge> {
    if (left < 0 || at(left).size == 0 || at(left).next < 0) return std::nullopt;
    return find(at(left), at(at(left).next), is_new);
  };
  const auto order_of = [](const Merge& merge, std::int32_t left) {
    return std::uint64_t{merge.rank} << 32 | static_cast<std::uint32_t>(left);
  };
  link(symbols);
  for (std::int32_t i = 0; static_cast<std::size_t>(i) < symbols.size(); ++i)
    if (const auto merge = merge_at(i, true)) seed.push_back(order_of(*merge, i));
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> queue(std::greater<>(), std::move(seed));
  while (!queue.empty()) {
    const std::uint64_t best = queue.top();
    queue.pop();
    const auto place = static_cast<std::int32_t>(best & 0xFFFFFFFF);
    const auto merge = merge_at(place, false);
    if (!merge || order_of(*merge, place) != best) continue;  // merged since
    Symbol& left = at(place);
    Symbol& right = at(left.next);
    left.size += right.size;
    left.id = merge->id;
    left.next = right.next;
    right.size = 0;
    if (left.next >= 0) at(left.next).previous = place;
    if (const auto c = merge_at(left.previous, true)) queue.push(order_of(*c, left.previous));
    if (const auto c = merge_at(place, true)) queue.push(order_of(*c, place));
  }
}

}  // namespace merge_detail

/// Merges until no pair is left. `find(left, right, is_new)` gives an optional Merge; is_new is false when the pair was asked
/// for before. Calls `visit(symbol)` for what is left, from
/// left to right. `symbols` is used up.
template <class Find, class Visit>
void merge_symbols(std::vector<Symbol>& symbols, const Find& find, const Visit& visit) {
  if (symbols.size() <= merge_detail::kShort) {
    merge_detail::merge_short(symbols, find);
    for (const Symbol& symbol : symbols) visit(symbol);
    return;
  }
  merge_detail::merge_long(symbols, find);
  for (std::int32_t i = 0; i >= 0; i = symbols[static_cast<std::size_t>(i)].next) visit(symbols[static_cast<std::size_t>(i)]);
}

}  // namespace vauban
