#include "text/template/text_helpers.h"

#include <algorithm>

#include "text/template/code_points.h"
#include "text/template/operators.h"
#include "text/unicode.h"

namespace vauban::jinja {
namespace {

bool ends_line(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

}  // namespace

std::vector<std::string_view> python_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    std::size_t end = at + point.size;
    if (!ends_line(point.value)) {
      at = end;
      continue;
    }
    if (text.substr(at).starts_with("\r\n")) ++end;
    lines.push_back(text.substr(start, (keep_ends ? end : at) - start));
    start = at = end;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::vector<std::string> split_on_space(std::string_view text, std::int64_t most) {
  std::vector<std::string> words;
  std::size_t start = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const bool space = is_python_space(point.value);
    if (!space && !inside) {
      start = at;
      if (most >= 0 && static_cast<std::int64_t>(words.size()) == most) {
        words.emplace_back(text.substr(start));
        return words;
      }
    }
    if (space && inside) words.emplace_back(text.substr(start, at - start));
    inside = !space;
    at += point.size;
  }
  if (inside) words.emplace_back(text.substr(start));
  return words;
}

Result<Value> replaced(std::string_view text, std::string_view from, std::string_view to, std::int64_t count,
                       Budget& budget, bool safe) {
  VB_CHECK(budget.search(text, from));
  std::string out;
  std::size_t at = 0;
  while (count != 0 && at <= text.size()) {
    const std::size_t found = from.empty() ? at : text.find(from, at);
    if (found == std::string_view::npos) break;
    VB_CHECK(budget.bytes(to.size() + 1));
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    --count;
    if (!from.empty()) continue;
    const std::size_t size = at < text.size() ? code_point_at(text, at).size : 1;
    if (at < text.size()) out += text.substr(at, size);
    at += size;
  }
  if (at < text.size()) out += text.substr(at);
  return new_text(budget, std::move(out), safe);
}

Result<Value> centered(std::string_view text, std::int64_t width, std::string_view fill, Budget& budget) {
  const auto size = static_cast<std::int64_t>(count_code_points(text));
  const std::int64_t missing = std::max<std::int64_t>(0, width - size);
  VB_CHECK(budget.bytes(static_cast<std::size_t>(missing)));
  const std::int64_t before = missing / 2 + (missing & width & 1);  // CPython's rounding
  std::string out;
  for (std::int64_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (std::int64_t i = before; i < missing; ++i) out += fill;
  return new_text(budget, std::move(out));
}

}  // namespace vauban::jinja
