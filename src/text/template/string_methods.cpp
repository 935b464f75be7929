// Methods of str that give text or places in it.
#include <algorithm>

#include "base/strings.h"
#include "text/template/code_points.h"
#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/template/operators.h"
#include "text/template/percent_format.h"
#include "text/template/python_text.h"
#include "text/template/text_helpers.h"
#include "text/unicode.h"

namespace vauban::jinja {
namespace {

template <std::string (*change)(std::string_view)>
Result<Value> changed(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  return new_text(evaluator.budget(), change(self.text()), self.is_safe());
}

std::string swapped(std::string_view text) {
  std::string out;
  for (const char32_t point : to_code_points(text))
    out += from_code_points(is_upper_case(point) ? lower(point) : upper(point));
  return out;
}

/// str.title(): every run of letters begins in title case.
std::string titled(std::string_view text) {
  std::string out;
  bool inside = false;
  for (const char32_t point : to_code_points(text)) {
    out += inside ? from_code_points(lower(point)) : to_utf8(title(point));
    inside = is_letter(point);
  }
  return out;
}

template <bool left, bool right>
Result<Value> strip(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 0, 1));
  const bool given = bound.get(0) && !bound[0].is_none();
  VB_TRY(const std::string unwanted, bound.text(0, ""));
  return new_text(evaluator.budget(), stripped(self.text(), given ? &unwanted : nullptr, left, right), self.is_safe());
}

Result<Value> text_list(Evaluator& evaluator, const std::vector<std::string>& parts, bool safe) {
  std::vector<Value> items;
  for (const std::string& part : parts) {
    VB_TRY(Value item, new_text(evaluator.budget(), part, safe));
    items.push_back(std::move(item));
  }
  return new_list(evaluator.budget(), std::move(items));
}

/// From the right, without a separator.
std::vector<std::string> rsplit_on_space(std::string_view text, std::int64_t most) {
  std::u32string reversed = to_code_points(text);
  std::reverse(reversed.begin(), reversed.end());
  std::vector<std::string> words = split_on_space(from_code_points(reversed), most);
  for (std::string& word : words) {
    std::u32string points = to_code_points(word);
    std::reverse(points.begin(), points.end());
    word = from_code_points(points);
  }
  std::reverse(words.begin(), words.end());
  return words;
}

std::vector<std::string> cut(std::string_view text, std::string_view separator, std::int64_t most, bool from_right) {
  std::vector<std::string> parts;
  while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
    const std::size_t found = from_right ? text.rfind(separator) : text.find(separator);
    if (found == std::string_view::npos) break;
    parts.emplace_back(from_right ? text.substr(found + separator.size()) : text.substr(0, found));
    text = from_right ? text.substr(0, found) : text.substr(found + separator.size());
  }
  parts.emplace_back(text);
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

template <bool from_right>
Result<Value> split_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"sep", "maxsplit"}));
  VB_TRY(const std::string separator, bound.text(0, ""));
  VB_TRY(const std::int64_t most, bound.whole(1, -1));
  VB_CHECK(evaluator.budget().steps(self.text().size() / 16));
  VB_CHECK(evaluator.budget().search(self.text(), separator));
  if (!bound.get(0) || bound[0].is_none())
    return text_list(evaluator, from_right ? rsplit_on_space(self.text(), most) : split_on_space(self.text(), most), self.is_safe());
  if (separator.empty()) return invalid_input("ValueError: the separator is empty");
  return text_list(evaluator, cut(self.text(), separator, most, from_right), self.is_safe());
}

Result<Value> splitlines_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"keepends"}));
  const auto lines = python_lines(self.text(), bound.truth(0, false));
  return text_list(evaluator, {lines.begin(), lines.end()}, self.is_safe());
}

template <bool from_right>
Result<Value> partition_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 1));
  VB_TRY(const std::string separator, bound.text(0, ""));
  if (separator.empty()) return invalid_input("ValueError: the separator is empty");
  const std::string& text = self.text();
  VB_CHECK(evaluator.budget().search(text, separator));
  const std::size_t found = from_right ? text.rfind(separator) : text.find(separator);
  std::vector<Value> parts{Value(text), Value(""), Value("")};
  if (found == std::string::npos && from_right) std::swap(parts[0], parts[2]);
  if (found != std::string::npos)
    parts = {Value(text.substr(0, found)), Value(separator), Value(text.substr(found + separator.size()))};
  return new_list(evaluator.budget(), std::move(parts), Kind::tuple);
}

/// The part of `text` that start and end (arguments 1 and 2) leave, and where it begins, in code points.
struct Window {
  std::string text;
  std::size_t begin = 0;
  bool valid = true;  ///< false: it begins behind the end
};
Result<Window> window_of(const Value& self, const Bound& bound) {
  const std::u32string points = to_code_points(self.text());
  const auto size = static_cast<std::int64_t>(points.size());
  VB_TRY(std::int64_t begin, bound.whole(1, 0));
  VB_TRY(std::int64_t end, bound.whole(2, size));
  if (begin < 0) begin = std::max<std::int64_t>(0, begin + size);
  if (end < 0) end = std::max<std::int64_t>(0, end + size);
  end = std::min(end, size);
  if (begin > end) return Window{.text = {}, .begin = 0, .valid = false};
  const auto from = static_cast<std::size_t>(begin), count = static_cast<std::size_t>(end - begin);
  return Window{.text = from_code_points(std::u32string_view(points).substr(from, count)), .begin = from};
}

template <bool from_right, bool must_exist>
Result<Value> find_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 3));
  VB_TRY(const std::string wanted, bound.text(0, ""));
  VB_CHECK(evaluator.budget().steps(self.text().size() / 16));
  VB_CHECK(evaluator.budget().search(self.text(), wanted));
  VB_TRY(const Window window, window_of(self, bound));
  const std::size_t found = !window.valid ? std::string::npos : from_right ? window.text.rfind(wanted) : window.text.find(wanted);
  if (found != std::string::npos)
    return Value(static_cast<Integer>(window.begin + count_code_points(std::string_view(window.text).substr(0, found))));
  if (must_exist) return invalid_input("ValueError: the text was not found");
  return Value(-1);
}

Result<Value> count_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 3));
  VB_TRY(const std::string wanted, bound.text(0, ""));
  VB_CHECK(evaluator.budget().steps(self.text().size() / 16));
  VB_CHECK(evaluator.budget().search(self.text(), wanted));
  VB_TRY(const Window window, window_of(self, bound));
  if (!window.valid) return Value(0);
  if (wanted.empty()) return Value(static_cast<Integer>(count_code_points(window.text) + 1));
  int count = 0;
  for (std::size_t at = window.text.find(wanted); at != std::string::npos; at = window.text.find(wanted, at + wanted.size())) ++count;
  return Value(count);
}

template <bool at_end>
Result<Value> begins_or_ends(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 3));
  VB_CHECK(evaluator.budget().steps(self.text().size() / 64));
  VB_TRY(const Window window, window_of(self, bound));
  const std::vector<Value> choices = bound[0].is(Kind::tuple) ? bound[0].items() : std::vector<Value>{bound[0]};
  for (const Value& choice : choices) {
    if (choice.is_undefined()) return undefined_error(choice);
    if (!choice.is_string()) return invalid_input("TypeError: expected a text or a tuple of texts, found {}", choice.type_name());
    if (window.valid && (at_end ? window.text.ends_with(choice.text()) : window.text.starts_with(choice.text()))) return Value(true);
  }
  return Value(false);
}

template <bool prefix>
Result<Value> remove_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 1));
  VB_TRY(const std::string part, bound.text(0, ""));
  const std::string& text = self.text();
  if (prefix && text.starts_with(part)) return new_text(evaluator.budget(), text.substr(part.size()), self.is_safe());
  if (!prefix && text.ends_with(part)) return new_text(evaluator.budget(), text.substr(0, text.size() - part.size()), self.is_safe());
  return self;
}

Result<Value> replace_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 2, 3));
  VB_TRY(const std::string from, bound.text(0, ""));
  VB_TRY(const std::string to, bound.text(1, ""));
  VB_TRY(const std::int64_t count, bound.whole(2, -1));
  return replaced(self.text(), from, to, count, evaluator.budget(), self.is_safe());
}

enum class Side { left, right, both };
template <Side side>
Result<Value> pad(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 2));
  VB_TRY(const std::int64_t width, bound.whole(0, 0));
  VB_TRY(const std::string fill, bound.text(1, " "));
  if (count_code_points(fill) != 1) return invalid_input("TypeError: the fill character must be one character");
  if (side == Side::both) return centered(self.text(), width, fill, evaluator.budget());
  const std::int64_t missing = std::max<std::int64_t>(0, width - static_cast<std::int64_t>(count_code_points(self.text())));
  VB_CHECK(evaluator.budget().bytes(static_cast<std::size_t>(missing)));
  std::string padding;
  for (std::int64_t i = 0; i < missing; ++i) padding += fill;
  return new_text(evaluator.budget(), side == Side::left ? self.text() + padding : padding + self.text());
}

Result<Value> zfill_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 1));
  VB_TRY(const std::int64_t width, bound.whole(0, 0));
  const std::string& text = self.text();
  const std::int64_t missing = std::max<std::int64_t>(0, width - static_cast<std::int64_t>(count_code_points(text)));
  VB_CHECK(evaluator.budget().bytes(static_cast<std::size_t>(missing)));
  const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  return new_text(evaluator.budget(),
                  text.substr(0, sign) + std::string(static_cast<std::size_t>(missing), '0') + text.substr(sign));
}

Result<Value> join_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 1));
  VB_TRY(const std::vector<Value> items, iterate(bound[0], evaluator.budget()));
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].is_undefined()) return undefined_error(items[i]);
    if (!items[i].is_string())
      return invalid_input("TypeError: item {} of the joined list is {}, expected text", i, items[i].type_name());
    VB_CHECK(evaluator.budget().bytes(items[i].text().size() + self.text().size()));
    if (i > 0) out += self.text();
    out += items[i].text();
  }
  return new_text(evaluator.budget(), std::move(out), self.is_safe());
}

Result<Value> expandtabs_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"tabsize"}));
  VB_TRY(const std::int64_t size, bound.whole(0, 8));
  const auto tab = static_cast<std::size_t>(std::clamp<std::int64_t>(size, 0, 1024));
  std::string out;
  std::size_t column = 0;
  for (const char32_t point : to_code_points(self.text())) {
    if (point == U'\t') {
      const std::size_t blanks = tab == 0 ? 0 : tab - column % tab;
      VB_CHECK(evaluator.budget().bytes(blanks));
      out.append(blanks, ' ');
      column += blanks;
      continue;
    }
    append_utf8(out, point);
    column = point == U'\n' || point == U'\r' ? 0 : column + 1;
  }
  return new_text(evaluator.budget(), std::move(out), self.is_safe());
}

Result<Value> format_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  return brace_format(self, arguments, evaluator.budget());
}

}  // namespace

std::span<const Native> string_methods() {
  static constexpr Native kMethods[] = {
      {"capitalize", changed<capitalized>},   {"lower", changed<lower_text>},        {"casefold", changed<lower_text>},
      {"upper", changed<upper_text>},         {"swapcase", changed<swapped>},        {"title", changed<titled>},
      {"strip", strip<true, true>},           {"lstrip", strip<true, false>},        {"rstrip", strip<false, true>},
      {"split", split_method<false>},         {"rsplit", split_method<true>},        {"splitlines", splitlines_method},
      {"partition", partition_method<false>}, {"rpartition", partition_method<true>}, {"find", find_method<false, false>},
      {"rfind", find_method<true, false>},    {"index", find_method<false, true>},   {"rindex", find_method<true, true>},
      {"count", count_method},                {"startswith", begins_or_ends<false>}, {"endswith", begins_or_ends<true>},
      {"removeprefix", remove_method<true>},  {"removesuffix", remove_method<false>}, {"replace", replace_method},
      {"center", pad<Side::both>},            {"ljust", pad<Side::left>},            {"rjust", pad<Side::right>},
      {"zfill", zfill_method},                {"join", join_method},                 {"expandtabs", expandtabs_method},
      {"format", format_method},
  };
  return kMethods;
}

}  // namespace vauban::jinja
