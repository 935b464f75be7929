#include "text/inputs/window.h"

#include <algorithm>

namespace vauban {
namespace {

Encoding part_of(const Encoding& text, std::size_t begin, std::size_t end) {
  Encoding out;
  for (std::size_t i = begin; i < end; ++i) {
    out.ids.push_back(text.ids[i]);
    out.pieces.push_back(text.pieces[i]);
    out.offsets.push_back(text.offsets[i]);
  }
  return out;
}

/// Both texts are cut to the same length, unless one is shorter than that.
KeptTokens level(std::size_t first, std::size_t second, std::size_t most) {
  const std::size_t shorter = std::min(first, second);
  std::size_t less = shorter, more = shorter > most ? shorter : std::max(shorter, most - shorter);
  if (less + more > most) {
    less = most / 2;
    more = less + most % 2;
  }
  return first > second ? KeptTokens{more, less} : KeptTokens{less, more};
}

}  // namespace

std::vector<Encoding> windows_of(const Encoding& text, std::size_t length, std::size_t stride, Side side) {
  const std::size_t count = text.ids.size();
  if (length >= count) return {text};
  if (length == 0) return {Encoding{}, text};
  std::vector<Encoding> out;
  for (std::size_t passed = 0;; passed += length - stride) {
    const std::size_t begin = side == Side::right ? passed : count - std::min(count, passed + length);
    const std::size_t end = side == Side::right ? std::min(count, passed + length) : count - passed;
    out.push_back(part_of(text, begin, end));
    if (side == Side::right ? end == count : begin == 0) return out;
  }
}

Result<KeptTokens> kept_tokens(std::size_t first, std::optional<std::size_t> second, std::size_t most,
                               InputTruncation::Strategy strategy) {
  const std::size_t total = first + second.value_or(0);
  if (total <= most) return KeptTokens{first, second.value_or(0)};
  if (most == 0) return KeptTokens{};
  const std::size_t excess = total - most;
  const auto shortened = [&](std::size_t length) -> Result<std::size_t> {
    if (length > excess) return length - excess;
    return with_hint(invalid_input("truncation: {} tokens are too many, and the text to cut has only {}", excess, length),
                     "allow a greater max_length, or the strategy LongestFirst");
  };
  KeptTokens out{first, second.value_or(0)};
  switch (strategy) {
    case InputTruncation::Strategy::longest_first:
      return second ? level(first, *second, most) : KeptTokens{most, 0};
    case InputTruncation::Strategy::only_first: {
      VB_TRY(out.first, shortened(first));
      return out;
    }
    case InputTruncation::Strategy::only_second:
      if (!second) return invalid_input("truncation: only a second text may be cut, and there is none");
      VB_TRY(out.second, shortened(*second));
      return out;
  }
  return out;
}

}  // namespace vauban
