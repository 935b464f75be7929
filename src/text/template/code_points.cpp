#include "text/template/code_points.h"

#include <algorithm>

#include "text/unicode.h"

namespace vauban::jinja {
namespace {

/// Capital sigma at the end of a word, as str.lower() writes it.
bool is_final_sigma(const std::u32string& points, std::size_t at) {
  return points[at] == 0x3A3 && at > 0 && is_letter(points[at - 1]) && (at + 1 == points.size() || !is_letter(points[at + 1]));
}

}  // namespace

std::u32string to_code_points(std::string_view text) {
  std::u32string points;
  points.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    points += point.value;
    at += point.size;
  }
  return points;
}

std::string from_code_points(std::u32string_view points) {
  std::string out;
  out.reserve(points.size());
  for (const char32_t point : points) append_utf8(out, point);
  return out;
}

bool is_python_space(char32_t value) { return is_white_space(value) || (value >= 0x1C && value <= 0x1F); }

std::string upper_text(std::string_view text) {
  std::string out;
  for (const char32_t point : to_code_points(text)) out += from_code_points(upper(point));
  return out;
}

std::string lower_text(std::string_view text) {
  const std::u32string points = to_code_points(text);
  std::string out;
  for (std::size_t i = 0; i < points.size(); ++i)
    out += is_final_sigma(points, i) ? to_utf8(0x3C2) : from_code_points(lower(points[i]));
  return out;
}

std::string capitalized(std::string_view text) {
  if (text.empty()) return {};
  const CodePoint first = code_point_at(text, 0);
  return to_utf8(title(first.value)) + lower_text(text.substr(first.size));
}

std::string stripped(std::string_view text, const std::string* unwanted, bool left, bool right) {
  const std::u32string points = to_code_points(text);
  std::u32string set = unwanted ? to_code_points(*unwanted) : std::u32string();
  std::sort(set.begin(), set.end());
  const auto goes = [&](char32_t c) { return unwanted ? std::binary_search(set.begin(), set.end(), c) : is_python_space(c); };
  std::size_t begin = 0, end = points.size();
  while (left && begin < end && goes(points[begin])) ++begin;
  while (right && end > begin && goes(points[end - 1])) --end;
  return from_code_points(std::u32string_view(points).substr(begin, end - begin));
}

}  // namespace vauban::jinja
