#include "base/config/layout.h"

#include <algorithm>

#include "base/strings.h"

namespace vauban {
namespace {

/// Code points: every byte but the continuation bytes of UTF-8.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string wrapped_line(std::string_view text, std::size_t indent) {
  std::string out;
  std::string line;
  for (const std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    if (!line.empty() && indent + columns(line) + 1 + columns(word) > kTextWidth) {
      out += std::string(indent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + std::string(word);
  }
  return line.empty() ? out + "\n" : out + std::string(indent, ' ') + line + "\n";
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  for (const std::string_view line : split(text, '\n')) out += wrapped_line(line, indent);
  return out;
}

std::string two_columns(std::string_view left, std::string_view right, std::size_t indent, std::size_t column) {
  const std::string start = std::string(indent, ' ') + std::string(left);
  if (right.empty()) return start + "\n";
  const std::string body = wrapped(right, column);
  const std::size_t used = columns(start);
  if (used + 2 > column) return start + "\n" + body;
  return start + std::string(column - used, ' ') + body.substr(column);
}

}  // namespace vauban
