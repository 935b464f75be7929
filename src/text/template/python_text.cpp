#include "text/template/python_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/unicode.h"

namespace vauban::jinja {
namespace {

struct Writer {
  Budget& budget;
  std::string out;

  Result<void> add(std::string_view text) {
    VB_CHECK(budget.bytes(text.size()));
    out += text;
    return ok();
  }
  Result<void> items(std::string_view open, const std::vector<Value>& values, std::string_view close);
  Result<void> entries(const Dict& dict);
  Result<void> write(const Value& value);
};

Result<void> Writer::items(std::string_view open, const std::vector<Value>& values, std::string_view close) {
  VB_CHECK(add(open));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) VB_CHECK(add(", "));
    VB_CHECK(write(values[i]));
  }
  return add(close);
}

Result<void> Writer::entries(const Dict& dict) {
  VB_CHECK(add("{"));
  bool first = true;
  for (const auto& [key, value] : dict.entries()) {
    if (!first) VB_CHECK(add(", "));
    first = false;
    VB_CHECK(write(key));
    VB_CHECK(add(": "));
    VB_CHECK(write(value));
  }
  return add("}");
}

Result<void> Writer::write(const Value& value) {
  VB_CHECK(budget.steps());
  switch (value.kind()) {
    case Kind::undefined: return add("Undefined");
    case Kind::none: return add("None");
    case Kind::boolean: return add(value.truth() ? "True" : "False");
    case Kind::integer: return add(integer_text(value.whole()));
    case Kind::real: return add(float_text(value.real()));
    case Kind::string: return add(value.is_safe() ? "Markup(" + string_repr(value.text()) + ")" : string_repr(value.text()));
    case Kind::list: return items("[", value.items(), "]");
    case Kind::tuple: return items("(", value.items(), value.items().size() == 1 ? ",)" : ")");
    case Kind::view:
      if (value.sequence().name.starts_with("range")) return add(value.sequence().name);
      return items(value.sequence().name + "([", value.items(), "])");
    case Kind::dict: return entries(value.dict());
    case Kind::object: return add(value.object()->text());
  }
  return ok();
}

std::string digits_of(double value, int& exponent) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view written(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = written.find('e');
  std::string digits(written.substr(0, e));
  std::erase(digits, '.');
  exponent = 0;
  const std::size_t start = written[e + 1] == '+' ? e + 2 : e + 1;
  std::from_chars(buffer + start, end, exponent);
  return digits;
}

}  // namespace

std::string integer_text(Integer value) { return fmt::format("{}", value); }

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  if (value == 0) return std::signbit(value) ? "-0.0" : "0.0";
  int exponent = 0;
  std::string digits = digits_of(std::abs(value), exponent);
  const std::string sign = value < 0 ? "-" : "";
  // Python's repr: exponents below -4 or from 16 on are written as such.
  if (exponent < -4 || exponent >= 16) {
    if (digits.size() > 1) digits.insert(1, ".");
    return format("{}{}e{}{:02}", sign, digits, exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto point = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= point) return sign + digits + std::string(point - digits.size(), '0') + ".0";
  return sign + digits.insert(point, ".");
}

std::string string_repr(std::string_view text) {
  const bool single = text.find('\'') == std::string_view::npos || text.find('"') != std::string_view::npos;
  const char quote = single ? '\'' : '"';
  std::string out(1, quote);
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    const char32_t c = point.value;
    if (c == U'\\' || c == static_cast<char32_t>(quote))
      out.append({'\\', static_cast<char>(c)});
    else if (c == U'\n')
      out += "\\n";
    else if (c == U'\r')
      out += "\\r";
    else if (c == U'\t')
      out += "\\t";
    else if (is_printable(c))
      out += text.substr(at, point.size);
    else
      out += c < 0x100     ? format("\\x{:02x}", static_cast<unsigned>(c))
             : c < 0x10000 ? format("\\u{:04x}", static_cast<unsigned>(c))
                           : format("\\U{:08x}", static_cast<unsigned>(c));
    at += point.size;
  }
  return out + quote;
}

Result<std::string> to_text(const Value& value, Budget& budget) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return std::string();
  return repr(value, budget);
}

Result<std::string> repr(const Value& value, Budget& budget) {
  Writer writer{budget, {}};
  VB_CHECK(writer.write(value));
  return std::move(writer.out);
}

}  // namespace vauban::jinja
