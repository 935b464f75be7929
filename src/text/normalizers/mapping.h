/// Normalisers that look at one character at a time.
#pragma once

#include <string_view>
#include <vector>

#include "text/aligned_text.h"

namespace vauban {

/// Calls `map(character, out)` for each character of `text`; what it appends to `out` replaces the character.
template <class Map>
void map_characters(AlignedText& text, const Map& map) {
  AlignedText out;
  std::string replacement;
  const std::string_view all = text.view();
  for (std::size_t at = 0; at < all.size();) {
    const CodePoint c = code_point_at(all, at);
    replacement.clear();
    map(c.value, replacement);
    if (replacement == all.substr(at, c.size))
      out.append(text, at, at + c.size);
    else
      out.append(replacement, text.origin(at));
    at += c.size;
  }
  if (out.empty()) out = AlignedText("", text.span(0, 0).begin);
  text = std::move(out);
}

}  // namespace vauban
