/// Greedy pair merging, the heart of both kinds of BPE: the best adjacent pair first, the leftmost of equal ones.
/// O(n log n) in the number of symbols, with a heap; about 44 bytes of memory a symbol, so 10 MB in one piece are fine.
#pragma once

#include <cstdint>
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

/// Links the symbols in array order.
inline void link(std::vector<Symbol>& symbols) {
  const auto count = static_cast<std::int32_t>(symbols.size());
  for (std::int32_t i = 0; i < count; ++i) {
    symbols[static_cast<std::size_t>(i)].previous = i - 1;
    symbols[static_cast<std::size_t>(i)].next = i + 1 < count ? i + 1 : -1;
  }
}

/// Merges until no pair is left. `find(left, right)` gives an optional Merge. Symbol 0 stays the head of the list.
template <class Find>
void merge_symbols(std::vector<Symbol>& symbols, const Find& find) {
  struct Candidate {
    std::uint64_t order;  // rank, then position
    std::uint32_t left_size, right_size;
    std::int32_t id;
    bool operator>(const Candidate& other) const { return order > other.order; }
  };
  std::vector<Candidate> seed;
  const auto candidate = [&](std::int32_t left) -> std::optional<Candidate> {
    if (left < 0) return std::nullopt;
    const Symbol& a = symbols[static_cast<std::size_t>(left)];
    if (a.next < 0) return std::nullopt;
    const Symbol& b = symbols[static_cast<std::size_t>(a.next)];
    const std::optional<Merge> merge = find(a, b);
    if (!merge) return std::nullopt;
    return Candidate{std::uint64_t{merge->rank} << 32 | static_cast<std::uint32_t>(left), a.size, b.size, merge->id};
  };
  link(symbols);
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
    if (const auto c = candidate(static_cast<std::int32_t>(i))) seed.push_back(*c);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>(), std::move(seed));

  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const auto at = static_cast<std::int32_t>(best.order & 0xFFFFFFFF);
    Symbol& left = symbols[static_cast<std::size_t>(at)];
    if (left.size != best.left_size || left.next < 0) continue;  // merged since
    Symbol& right = symbols[static_cast<std::size_t>(left.next)];
    if (right.size != best.right_size) continue;
    left.size += right.size;
    left.id = best.id;
    left.next = right.next;
    right.size = 0;
    if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = at;
    if (const auto c = candidate(left.previous)) queue.push(*c);
    if (const auto c = candidate(at)) queue.push(*c);
  }
}

}  // namespace vauban
