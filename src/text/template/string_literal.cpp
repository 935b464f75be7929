#include "text/template/string_literal.h"

#include <charconv>

#include "text/unicode.h"

namespace vauban::jinja {
namespace {

constexpr std::string_view kNames = "\\'\"abfnrtv";
constexpr std::string_view kMeans = "\\'\"\a\b\f\n\r\t\v";

bool is_octal(char c) { return c >= '0' && c <= '7'; }

/// `digits` as a character, appended.
Result<void> append_number(std::string& out, std::string_view digits, std::size_t wanted, int base) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (digits.size() < wanted || error != std::errc() || end != digits.data() + digits.size())
    return invalid_input("a character escape is cut short");
  if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
    return invalid_input("the escape of U+{:04X} names no character", value);
  append_utf8(out, value);
  return ok();
}

}  // namespace

Result<std::string> decode_string_literal(std::string_view body) {
  std::string out;
  for (std::size_t at = 0; at < body.size();) {
    if (body[at] != '\\' || at + 1 >= body.size()) {
      out += body[at++];
      continue;
    }
    const char c = body[at + 1];
    at += 2;
    if (const std::size_t known = kNames.find(c); known != std::string_view::npos) {
      out += kMeans[known];
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t wanted = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      VB_CHECK(append_number(out, body.substr(at, wanted), wanted, 16));
      at += wanted;
    } else if (is_octal(c)) {
      std::size_t end = at;
      while (end < body.size() && end < at + 2 && is_octal(body[end])) ++end;
      VB_CHECK(append_number(out, body.substr(at - 1, end - at + 1), 1, 8));
      at = end;
    } else if (c == 'N') {
      return invalid_input("\\N{{...}} escapes are not known here");
    } else if (c != '\n') {
      out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace vauban::jinja
