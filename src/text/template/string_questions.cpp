// Methods of str that answer yes or no.
#include "text/template/code_points.h"
#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/unicode.h"

namespace vauban::jinja {
namespace {

bool is_letter_or_number(char32_t c) { return is_letter(c) || is_numeric(c); }
bool is_ascii(char32_t c) { return c < 0x80; }
bool is_decimal(char32_t c) { return is_digit(c) && is_word_character(c); }

/// All characters are so, and there is one (unless `empty` is fine too).
template <bool (*fits)(char32_t), bool empty>
Result<Value> all_are(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  VB_CHECK(evaluator.budget().steps(self.text().size() / 16));
  for (const char32_t point : to_code_points(self.text()))
    if (!fits(point)) return Value(false);
  return Value(empty || !self.text().empty());
}

template <bool (*wanted)(char32_t), bool (*other)(char32_t)>
Result<Value> is_case(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  VB_CHECK(evaluator.budget().steps(self.text().size() / 16));
  bool found = false;
  for (const char32_t point : to_code_points(self.text())) {
    if (other(point)) return Value(false);
    found = found || wanted(point);
  }
  return Value(found);
}

Result<Value> is_identifier(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  const std::u32string points = to_code_points(self.text());
  for (std::size_t i = 0; i < points.size(); ++i)
    if (!(points[i] == U'_' || is_letter(points[i]) || (i > 0 && is_word_character(points[i])))) return Value(false);
  return Value(!points.empty());
}

}  // namespace

std::span<const Native> string_questions() {
  static constexpr Native kMethods[] = {
      {"isalpha", all_are<is_letter, false>},      {"isalnum", all_are<is_letter_or_number, false>},
      {"isascii", all_are<is_ascii, true>},        {"isdecimal", all_are<is_decimal, false>},
      {"isdigit", all_are<is_digit, false>},       {"isnumeric", all_are<is_numeric, false>},
      {"isspace", all_are<is_python_space, false>}, {"isprintable", all_are<is_printable, true>},
      {"islower", is_case<is_lower_case, is_upper_case>}, {"isupper", is_case<is_upper_case, is_lower_case>},
      {"isidentifier", is_identifier},
  };
  return kMethods;
}

}  // namespace vauban::jinja
