#include "text/template/operators.h"

#include <algorithm>
#include <cmath>

#include "text/template/escape.h"
#include "text/template/evaluator.h"
#include "text/template/percent_format.h"
#include "text/template/python_text.h"

namespace vauban::jinja {
namespace {

Error no_operator(std::string_view op, const Value& left, const Value& right) {
  if (left.is_undefined()) return undefined_error(left);
  if (right.is_undefined()) return undefined_error(right);
  return invalid_input("TypeError: '{}' does not work on {} and {}", op, left.type_name(), right.type_name());
}

Error overflow() { return invalid_input("OverflowError: an integer does not fit into 128 bits"); }

Integer floor_divide(Integer a, Integer b) {
  const Integer quotient = a / b;
  return a % b != 0 && (a % b < 0) != (b < 0) ? quotient - 1 : quotient;
}

Result<Value> whole_power(Integer base, Integer exponent) {
  if (exponent < 0) {
    if (base == 0) return invalid_input("ZeroDivisionError: 0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  if (base == 0 || base == 1) return Value(exponent == 0 ? Integer{1} : base);
  if (base == -1) return Value(exponent % 2 == 0 ? 1 : -1);
  Integer power = 1;
  for (; exponent > 0; --exponent)  // at most 127 rounds before an overflow
    if (__builtin_mul_overflow(power, base, &power)) return overflow();
  return Value(power);
}

Result<Value> whole_arithmetic(std::string_view op, Integer a, Integer b) {
  Integer out = 0;
  if (op == "+") return __builtin_add_overflow(a, b, &out) ? Result<Value>(overflow()) : Value(out);
  if (op == "-") return __builtin_sub_overflow(a, b, &out) ? Result<Value>(overflow()) : Value(out);
  if (op == "*") return __builtin_mul_overflow(a, b, &out) ? Result<Value>(overflow()) : Value(out);
  if (op == "**") return whole_power(a, b);
  if (b == 0) return invalid_input("ZeroDivisionError: division by zero");
  if (op == "/") return Value(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) return op == "%" ? Value(0) : whole_arithmetic("-", 0, a);  // the one division that can overflow
  if (op == "//") return Value(floor_divide(a, b));
  const Integer rest = a % b;
  return Value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Result<Value> real_arithmetic(std::string_view op, double a, double b) {
  if (op == "+") return Value(a + b);
  if (op == "-") return Value(a - b);
  if (op == "*") return Value(a * b);
  if (op == "**") {
    if (a == 0 && b < 0) return invalid_input("ZeroDivisionError: 0.0 cannot be raised to a negative power");
    if (a < 0 && std::trunc(b) != b) return invalid_input("ValueError: the power of a negative number is complex");
    return Value(std::pow(a, b));
  }
  if (b == 0) return invalid_input("ZeroDivisionError: float division by zero");
  if (op == "/") return Value(a / b);
  if (op == "//") return Value(std::floor(a / b));
  const double rest = std::fmod(a, b);
  return Value(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Result<Value> add_texts(const Value& left, const Value& right, Budget& budget) {
  VB_CHECK(budget.bytes(left.text().size() + right.text().size()));
  if (left.is_safe() == right.is_safe()) return Value(left.text() + right.text(), left.is_safe());
  // Marked text stays marked: what joins it is escaped, as markupsafe does.
  const auto part = [](const Value& value) { return value.is_safe() ? value.text() : escaped(value.text()); };
  return new_text(budget, part(left) + part(right), true);
}

Result<Value> add_lists(const Value& left, const Value& right, Budget& budget) {
  std::vector<Value> items = left.items();
  VB_CHECK(budget.steps(items.size() + right.items().size()));
  items.insert(items.end(), right.items().begin(), right.items().end());
  return new_list(budget, std::move(items), left.kind());
}

Result<Value> repeat(const Value& value, Integer times, Budget& budget) {
  const auto size = static_cast<Integer>(value.is_string() ? value.text().size() : value.items().size());
  const Integer count = std::max<Integer>(times, 0);
  if (size > 0 && count > (Integer{1} << 40)) return resource("'*' would make {} copies", integer_text(count));
  const auto total = static_cast<std::size_t>(size == 0 ? 0 : size * count);
  VB_CHECK(budget.bytes(total * (value.is_string() ? 1 : sizeof(Value))));
  VB_CHECK(budget.steps(total / 16));
  const std::size_t copies = size == 0 ? 0 : static_cast<std::size_t>(count);
  if (value.is_string()) {
    std::string out;
    out.reserve(total);
    for (std::size_t i = 0; i < copies; ++i) out += value.text();
    return Value(std::move(out), value.is_safe());
  }
  std::vector<Value> items;
  items.reserve(total);
  for (std::size_t i = 0; i < copies; ++i) items.insert(items.end(), value.items().begin(), value.items().end());
  return Value::sequence(value.kind(), std::move(items));
}

bool is_repeatable(const Value& value) { return value.is_string() || value.is(Kind::list) || value.is(Kind::tuple); }

Result<bool> equal_items(const std::vector<Value>& left, const std::vector<Value>& right, Budget& budget) {
  if (left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    VB_TRY(const bool same, equal(left[i], right[i], budget));
    if (!same) return false;
  }
  return true;
}

Result<bool> equal_dicts(const Dict& left, const Dict& right, Budget& budget) {
  if (left.entries().size() != right.entries().size()) return false;
  for (const auto& [key, value] : left.entries()) {
    const Value* other = right.find(key);
    if (!other) return false;
    VB_TRY(const bool same, equal(value, *other, budget));
    if (!same) return false;
  }
  return true;
}

}  // namespace

Result<Value> new_list(Budget& budget, std::vector<Value> items, Kind kind, std::string name) {
  VB_CHECK(budget.bytes(items.size() * sizeof(Value)));
  return checked(Value::sequence(kind, std::move(items), std::move(name)));
}

Result<Value> new_text(Budget& budget, std::string text, bool safe) {
  VB_CHECK(budget.bytes(text.size()));
  return Value(std::move(text), safe);
}

Result<Value> arithmetic(std::string_view op, const Value& left, const Value& right, Budget& budget) {
  if (left.is_whole() && right.is_whole()) return whole_arithmetic(op, left.whole(), right.whole());
  if (left.is_number() && right.is_number()) return real_arithmetic(op, left.real(), right.real());
  if (op == "%" && left.is_string()) return percent_format(left, right, budget);
  if (op == "+" && left.is_string() && right.is_string()) return add_texts(left, right, budget);
  if (op == "+" && left.kind() == right.kind() && (left.is(Kind::list) || left.is(Kind::tuple)))
    return add_lists(left, right, budget);
  if (op == "*" && is_repeatable(left) && right.is_whole()) return repeat(left, right.whole(), budget);
  if (op == "*" && left.is_whole() && is_repeatable(right)) return repeat(right, left.whole(), budget);
  return no_operator(op, left, right);
}

Result<Value> negate(const Value& value) {
  if (value.is_whole()) return whole_arithmetic("-", 0, value.whole());
  if (value.is_number()) return Value(-value.real());
  if (value.is_undefined()) return undefined_error(value);
  return invalid_input("TypeError: '-' does not work on {}", value.type_name());
}

Result<bool> equal(const Value& left, const Value& right, Budget& budget) {
  VB_CHECK(budget.steps());
  if (left.is_whole() && right.is_whole()) return left.whole() == right.whole();
  if (left.is_number() && right.is_number()) return left.real() == right.real();
  if (left.kind() != right.kind()) return false;
  if (left.is_string()) return left.text() == right.text();
  if (left.is_sequence()) return equal_items(left.items(), right.items(), budget);
  if (left.is_dict()) return equal_dicts(left.dict(), right.dict(), budget);
  if (left.is(Kind::object)) return left.identity() == right.identity();
  return true;
}

Result<int> compare(const Value& left, const Value& right, Budget& budget) {
  VB_CHECK(budget.steps());
  if (left.is_whole() && right.is_whole())
    return left.whole() < right.whole() ? -1 : left.whole() > right.whole() ? 1 : 0;
  if (left.is_number() && right.is_number()) return left.real() < right.real() ? -1 : left.real() > right.real() ? 1 : 0;
  if (left.is_string() && right.is_string()) return left.text().compare(right.text());
  if (left.kind() != right.kind() || !(left.is(Kind::list) || left.is(Kind::tuple))) return no_operator("<", left, right);
  const auto &a = left.items(), &b = right.items();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    VB_TRY(const bool same, equal(a[i], b[i], budget));
    if (!same) return compare(a[i], b[i], budget);
  }
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

Result<bool> contains(const Value& container, const Value& item, Budget& budget) {
  if (container.is_string()) {
    if (!item.is_string()) return invalid_input("TypeError: 'in' of a text needs a text, found {}", item.type_name());
    VB_CHECK(budget.search(container.text(), item.text()));
    return container.text().find(item.text()) != std::string::npos;
  }
  if (container.is_dict()) return container.dict().find(item) != nullptr;
  VB_TRY(const std::vector<Value> items, iterate(container, budget));
  for (const Value& candidate : items) {
    VB_TRY(const bool same, equal(candidate, item, budget));
    if (same) return true;
  }
  return false;
}

Result<bool> holds(std::string_view op, const Value& left, const Value& right, Budget& budget) {
  if (op == "==") return equal(left, right, budget);
  if (op == "in") return contains(right, left, budget);
  if (op == "!=" || op == "not in") {
    VB_TRY(const bool positive, holds(op == "!=" ? "==" : "in", left, right, budget));
    return !positive;
  }
  const bool has_nan = left.is_number() && right.is_number() && (std::isnan(left.real()) || std::isnan(right.real()));
  if (has_nan) return false;
  VB_TRY(const int order, compare(left, right, budget));
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  return op == ">" ? order > 0 : order >= 0;
}

}  // namespace vauban::jinja
