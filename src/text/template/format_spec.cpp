// Python's format specification, for both ways of formatting.
#include <algorithm>
#include <cmath>

#include "text/template/code_points.h"
#include "text/template/percent_format.h"
#include "text/template/python_text.h"
#include "text/unicode.h"

namespace vauban::jinja {
namespace {

constexpr std::int64_t kMaxField = 1 << 20;  ///< of width and precision

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

Result<std::int64_t> take_number(std::string_view text, std::size_t& at) {
  std::int64_t value = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + (text[at] - '0');
    if (value > kMaxField) return invalid_input("ValueError: a field wider than {} characters", kMaxField);
  }
  return value;
}

std::string padded(std::string text, const FormatSpec& spec, char otherwise) {
  const auto size = static_cast<std::int64_t>(count_code_points(text));
  if (size >= spec.width) return text;
  const char align = spec.align ? spec.align : otherwise;
  const std::int64_t missing = spec.width - size;
  std::int64_t before = align == '>' || align == '=' ? missing : align == '^' ? missing / 2 : 0;
  std::string left, right;
  for (std::int64_t i = 0; i < before; ++i) left += spec.fill;
  for (std::int64_t i = before; i < missing; ++i) right += spec.fill;
  const bool has_sign = !text.empty() && (text[0] == '-' || text[0] == '+' || text[0] == ' ');
  if (align == '=' && has_sign) return text.substr(0, 1) + left + text.substr(1);
  return left + text + right;
}

std::string signed_text(bool negative, const std::string& digits, char sign) {
  if (negative) return "-" + digits;
  return sign == '-' ? digits : std::string(1, sign) + digits;
}

std::string grouped(const std::string& digits, char separator) {
  const std::size_t point = std::min(digits.find('.'), digits.size());
  std::string out;
  for (std::size_t i = 0; i < point; ++i) {
    if (i > 0 && (point - i) % 3 == 0) out += separator;
    out += digits[i];
  }
  return out + digits.substr(point);
}

std::string in_base(Integer value, int base) {
  std::string digits;
  do digits.insert(digits.begin(), "0123456789abcdef"[static_cast<int>(value % base)]);
  while ((value /= base) > 0);
  return digits;
}

Result<std::string> whole_digits(Integer value, const FormatSpec& spec) {
  switch (spec.type) {
    case 0:
    case 'd':
    case 'n': return integer_text(value);
    case 'x': return (spec.alternate ? "0x" : "") + in_base(value, 16);
    case 'X': {
      std::string digits = in_base(value, 16);
      std::transform(digits.begin(), digits.end(), digits.begin(), [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
      return (spec.alternate ? "0X" : "") + digits;
    }
    case 'o': return (spec.alternate ? "0o" : "") + in_base(value, 8);
    case 'b': return (spec.alternate ? "0b" : "") + in_base(value, 2);
    default: return invalid_input("ValueError: unknown format code '{}' for an integer", spec.type);
  }
}

Result<std::string> real_digits(double value, const FormatSpec& spec) {
  if (spec.type == 0 && spec.precision < 0) return float_text(value);
  const char type = spec.type == '%' ? 'f' : spec.type == 0 || spec.type == 'n' ? 'g' : spec.type;
  if (std::string_view("eEfFgG").find(type) == std::string_view::npos)
    return invalid_input("ValueError: unknown format code '{}' for a float", spec.type);
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  const double scaled = spec.type == '%' ? value * 100 : value;
  std::string pattern = std::string("{:.{}") + type + "}";
  std::string out = fmt::format(fmt::runtime(pattern), scaled, precision);
  return spec.type == '%' ? out + "%" : out;
}

}  // namespace

Result<FormatSpec> parse_format_spec(std::string_view text) {
  FormatSpec spec;
  std::size_t at = 0;
  if (!text.empty()) {
    const std::size_t first = code_point_at(text, 0).size;
    if (text.size() > first && is_align(text[first])) {
      spec.fill = std::string(text.substr(0, first));
      spec.align = text[first];
      at = first + 1;
    } else if (is_align(text[0])) {
      spec.align = text[at++];
    }
  }
  const auto here = [&] { return at < text.size() ? text[at] : '\0'; };
  if (here() == '+' || here() == '-' || here() == ' ') spec.sign = text[at++];
  if (here() == '#') spec.alternate = (++at, true);
  if (here() == '0') {
    ++at;
    if (!spec.align) {
      spec.fill = "0";
      spec.align = '=';
    }
  }
  VB_TRY(spec.width, take_number(text, at));
  if (here() == ',' || here() == '_') spec.grouping = text[at++];
  if (here() == '.') {
    ++at;
    VB_TRY(spec.precision, take_number(text, at));
  }
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) return invalid_input("ValueError: invalid format specifier '{}'", text);
  return spec;
}

Result<std::string> format_value(const Value& value, FormatSpec spec, Budget& budget) {
  VB_CHECK(budget.bytes(static_cast<std::size_t>(spec.width + std::max<std::int64_t>(spec.precision, 0))));
  const bool as_text = spec.type == 's' || (spec.type == 0 && (!value.is_number() || value.is(Kind::boolean)));
  if (as_text) {
    VB_TRY(std::string text, to_text(value, budget));
    if (spec.precision >= 0) {
      const std::u32string points = to_code_points(text);
      text = from_code_points(std::u32string_view(points).substr(0, static_cast<std::size_t>(spec.precision)));
    }
    return padded(std::move(text), spec, '<');
  }
  if (!value.is_number()) return invalid_input("TypeError: format code '{}' needs a number, found {}", spec.type, value.type_name());
  const bool real = value.is(Kind::real) || std::string_view("eEfFgG%").find(spec.type) < 7;
  std::string digits;
  bool negative = false;
  if (real && spec.type != 'd') {
    negative = std::signbit(value.real()) && !std::isnan(value.real());
    VB_TRY(digits, real_digits(std::abs(value.real()), spec));
  } else {
    const Integer whole = value.is(Kind::real) ? static_cast<Integer>(value.real()) : value.whole();
    negative = whole < 0;
    if (negative && whole == -whole) return invalid_input("OverflowError: the integer cannot be written");
    VB_TRY(digits, whole_digits(negative ? -whole : whole, spec));
  }
  if (spec.grouping) digits = grouped(digits, spec.grouping);
  return padded(signed_text(negative, digits, spec.sign), spec, '>');
}

}  // namespace vauban::jinja
