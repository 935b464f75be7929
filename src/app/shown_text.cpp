#include "app/shown_text.h"

#include <algorithm>
#include <cstdint>

#include "base/format.h"
#include "base/strings.h"

namespace vauban {
namespace {

/// The first code point of valid UTF-8, and its length in bytes.
std::uint32_t first_of(std::string_view text, std::size_t& length) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint32_t point = length == 1 ? lead : lead & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) point = (point << 6) | (byte(i) & 0x3FU);
  return point;
}

bool is_disruptive(std::uint32_t c) {
  return (c >= 0x80 && c <= 0x9F) || c == 0x61C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069) || (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
}

}  // namespace

std::string shown(std::string_view text, std::size_t max_bytes) {
  const std::string clean = printable(text, max_bytes);
  std::string out;
  for (std::size_t at = 0, length = 0; at < clean.size(); at += length) {
    const std::uint32_t point = first_of(std::string_view(clean).substr(at), length);
    if (is_disruptive(point)) out += format("\\u{{{:x}}}", point);
    else out.append(clean, at, length);
  }
  return out;
}

std::string xml_text(std::string_view text, std::size_t max_bytes) {
  std::string out;
  for (const char c : shown(text, max_bytes)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default: out += c;
    }
  }
  return out;
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace vauban
