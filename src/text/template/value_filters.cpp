// Filters that turn one value into another: numbers, defaults, JSON.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/strings.h"
#include "text/template/code_points.h"
#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/template/objects.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"

namespace vauban::jinja {
namespace {

/// int(text, base), or nothing where Python raises.
std::optional<Integer> parse_whole(std::string_view text, std::int64_t base) {
  const std::string trimmed = stripped(text, nullptr, true, true);
  std::string_view digits = trimmed;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.size() > 2 && digits[0] == '0') {
    const char kind = static_cast<char>(digits[1] | 0x20);
    const int named = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (named && (base == 0 || base == named)) {
      base = named;
      digits.remove_prefix(2);
    }
  }
  if (base == 0) base = 10;
  if (digits.empty() || digits.front() == '_' || digits.back() == '_') return std::nullopt;
  Integer value = 0;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] == '_' && digits[i - 1] != '_') continue;
    const char lower = static_cast<char>(digits[i] | 0x20);
    const int digit = digits[i] >= '0' && digits[i] <= '9' ? digits[i] - '0' : lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
    if (digit >= base || __builtin_mul_overflow(value, static_cast<Integer>(base), &value) ||
        __builtin_add_overflow(value, static_cast<Integer>(digit), &value))
      return std::nullopt;
  }
  return negative ? -value : value;
}

/// float(text), or nothing.
std::optional<double> parse_real(std::string_view text) {
  std::string trimmed = lower_text(stripped(text, nullptr, true, true));
  std::erase(trimmed, '_');
  std::string_view digits = trimmed;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.starts_with('-')) return std::nullopt;
  if (digits == "inf" || digits == "infinity") return negative ? -HUGE_VAL : HUGE_VAL;
  if (digits == "nan") return std::nan("");
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::invalid_argument || end != digits.data() + digits.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) value = std::strtod(std::string(digits).c_str(), nullptr);
  return negative ? -value : value;
}

Result<Value> truncated(double value) {
  if (!(std::abs(value) < 1.7e38)) return invalid_input("OverflowError: {} is no integer of 128 bits", float_text(value));
  return Value(static_cast<Integer>(value));
}

Result<Value> int_filter(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"default", "base"}));
  VB_TRY(const std::int64_t base, bound.whole(1, 10));
  const Value otherwise = bound.get(0) ? bound[0] : Value(0);
  if (self.is_undefined()) return undefined_error(self);
  if (self.is_whole()) return Value(self.whole());
  if (self.is_number()) return std::isnan(self.real()) ? otherwise : truncated(self.real());
  if (!self.is_string()) return otherwise;
  if (const auto whole = parse_whole(self.text(), base)) return Value(*whole);
  const auto real = parse_real(self.text());
  return real && !std::isnan(*real) ? truncated(*real) : otherwise;
}

Result<Value> float_filter(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"default"}));
  const Value otherwise = bound.get(0) ? bound[0] : Value(0.0);
  if (self.is_undefined()) return undefined_error(self);
  if (self.is_number()) return Value(self.real());
  const auto real = self.is_string() ? parse_real(self.text()) : std::nullopt;
  return real ? Value(*real) : otherwise;
}

/// Python's round(): half to even, on the exact value of the double.
double round_half_even(double value, int precision) {
  if (precision < 0) {
    const double unit = std::pow(10.0, -precision);
    return std::nearbyint(value / unit) * unit;
  }
  return std::strtod(fmt::format("{:.{}f}", value, std::min(precision, 300)).c_str(), nullptr);
}

Result<Value> round_filter(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"precision", "method"}));
  VB_TRY(const std::int64_t wanted, bound.whole(0, 0));
  VB_TRY(const std::string method, bound.text(1, "common"));
  const int precision = static_cast<int>(std::clamp<std::int64_t>(wanted, -300, 300));
  if (method != "common" && method != "ceil" && method != "floor")
    return invalid_input("FilterArgumentError: round knows common, ceil and floor, not '{}'", printable(method));
  if (self.is_undefined()) return undefined_error(self);
  if (!self.is_number()) return invalid_input("TypeError: round needs a number, found {}", self.type_name());
  if (method == "common" && self.is_whole() && precision >= 0) return Value(self.whole());
  if (!std::isfinite(self.real())) return self;
  if (method == "common") {
    const double rounded = round_half_even(self.real(), precision);
    return self.is_whole() ? truncated(rounded) : Value(rounded);
  }
  const double scale = std::pow(10.0, precision), scaled = self.real() * scale;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Result<Value> abs_filter(Evaluator&, const Value& self, const Arguments&) {
  if (self.is_undefined()) return undefined_error(self);
  if (!self.is_number()) return invalid_input("TypeError: abs needs a number, found {}", self.type_name());
  if (self.is_whole()) return self.whole() < 0 ? negate(self) : Result<Value>(Value(self.whole()));
  return Value(std::abs(self.real()));
}

Result<Value> default_filter(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"default_value", "boolean"}));
  const bool replace = self.is_undefined() || (bound.truth(1, false) && !self.truth());
  if (!replace) return self;
  return bound.get(0) ? bound[0] : Value("");
}

/// Attributes only, never the keys of a dict.
Result<Value> attr_filter(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"name"}, 1));
  if (self.is_undefined()) return undefined_error(self);
  VB_TRY(const std::string name, bound.text(0, ""));
  VB_TRY(const Value found, get_attribute(self, name));
  const bool is_key = self.is_dict() && !(found.is(Kind::object) && found.object()->callable());
  if (is_key && !found.is_undefined()) return Value::undefined(format("a dict has no attribute '{}'", printable(name, 80)));
  return found;
}

Result<JsonStyle> json_style(const Bound& bound) {
  JsonStyle style{.ascii = bound.truth(0, false), .sort_keys = bound.truth(3, false), .indent = {}};
  const Value* indent = bound.get(1);
  if (indent && indent->is_string()) {
    style.indent = indent->text();
  } else if (indent && !indent->is_none()) {
    VB_TRY(const std::int64_t width, bound.whole(1, 0));
    style.indent = std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(width, 0, 1024)), ' ');
  }
  if (style.indent) style.item_separator = ",";
  const Value* separators = bound.get(2);
  if (!separators || separators->is_none()) return style;
  const bool pair = separators->is_sequence() && separators->items().size() == 2 && separators->items()[0].is_string() &&
                    separators->items()[1].is_string();
  if (!pair) return invalid_input("ValueError: separators are two texts");
  style.item_separator = separators->items()[0].text();
  style.key_separator = separators->items()[1].text();
  return style;
}

Result<Value> tojson_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  VB_TRY(const JsonStyle style, json_style(bound));
  VB_TRY(std::string text, to_json_text(self, style, evaluator.budget()));
  return Value(std::move(text));
}

}  // namespace

std::span<const Native> value_filters() {
  static constexpr Native kFilters[] = {
      {"abs", abs_filter},         {"attr", attr_filter}, {"default", default_filter}, {"d", default_filter},
      {"float", float_filter},     {"int", int_filter},   {"round", round_filter},     {"tojson", tojson_filter},
  };
  return kFilters;
}

}  // namespace vauban::jinja
