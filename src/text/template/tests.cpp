// The tests of Jinja2 3.1: `x is name`.
#include "text/template/code_points.h"
#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"
#include "text/unicode.h"

namespace vauban::jinja {
namespace {

template <bool (*question)(const Value&)>
Result<Value> ask(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  return Value(question(self));
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_boolean(const Value& v) { return v.is(Kind::boolean); }
bool is_true(const Value& v) { return v.is(Kind::boolean) && v.truth(); }
bool is_false(const Value& v) { return v.is(Kind::boolean) && !v.truth(); }
bool is_integer(const Value& v) { return v.is(Kind::integer); }
bool is_float(const Value& v) { return v.is(Kind::real); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_string(const Value& v) { return v.is_string(); }
bool is_mapping(const Value& v) { return v.is_dict(); }
bool is_escaped(const Value& v) { return v.is_safe(); }
bool is_callable(const Value& v) { return v.is(Kind::object) && v.object()->callable(); }
bool is_iterable(const Value& v) {
  return v.is_sequence() || v.is_dict() || v.is_string() || v.is_undefined() || v.type_name() == "generator";
}
/// What has a length and items by key.
bool is_sequence(const Value& v) {
  return v.is_dict() || v.is_string() || v.is_undefined() || (v.is_sequence() && v.type_name() != "view");
}

Result<Value> parity(const Value& self, const Arguments& arguments, int rest, Evaluator& evaluator) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  VB_TRY(const Value left, arithmetic("%", self, Value(2), evaluator.budget()));
  VB_TRY(const bool same, equal(left, Value(rest), evaluator.budget()));
  return Value(same);
}
Result<Value> is_odd(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  return parity(self, arguments, 1, evaluator);
}
Result<Value> is_even(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  return parity(self, arguments, 0, evaluator);
}

Result<Value> is_divisible(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"num"}, 1));
  VB_TRY(const Value left, arithmetic("%", self, bound[0], evaluator.budget()));
  VB_TRY(const bool zero, equal(left, Value(0), evaluator.budget()));
  return Value(zero);
}

/// All cased characters are of one case, and there is one.
Result<Value> one_case(Evaluator& evaluator, const Value& self, bool (*wanted)(char32_t), bool (*other)(char32_t)) {
  VB_TRY(const std::string text, to_text(self, evaluator.budget()));
  bool found = false;
  for (const char32_t point : to_code_points(text)) {
    if (other(point)) return Value(false);
    found = found || wanted(point);
  }
  return Value(found);
}
Result<Value> is_lower(Evaluator& evaluator, const Value& self, const Arguments&) {
  return one_case(evaluator, self, is_lower_case, is_upper_case);
}
Result<Value> is_upper(Evaluator& evaluator, const Value& self, const Arguments&) {
  return one_case(evaluator, self, is_upper_case, is_lower_case);
}

template <const char* op>
Result<Value> relation(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 1));
  VB_TRY(const bool answer, holds(op, self, bound[0], evaluator.budget()));
  return Value(answer);
}
constexpr char kEq[] = "==", kNe[] = "!=", kLt[] = "<", kLe[] = "<=", kGt[] = ">", kGe[] = ">=", kIn[] = "in";

Result<Value> is_same(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"other"}, 1));
  if (self.kind() != bound[0].kind()) return Value(false);
  if (self.is_sequence() || self.is_dict() || self.is(Kind::object)) return Value(self.identity() == bound[0].identity());
  VB_TRY(const bool same, equal(self, bound[0], evaluator.budget()));
  return Value(same);
}

Result<Value> names_filter(Evaluator&, const Value& self, const Arguments&) {
  return Value(self.is_string() && find_filter(self.text()) != nullptr);
}
Result<Value> names_test(Evaluator&, const Value& self, const Arguments&) {
  return Value(self.is_string() && find_test(self.text()) != nullptr);
}

}  // namespace

std::span<const Native> all_tests() {
  static constexpr Native kTests[] = {
      {"defined", ask<is_defined>},    {"undefined", ask<is_undefined>}, {"none", ask<is_none>},
      {"boolean", ask<is_boolean>},    {"true", ask<is_true>},           {"false", ask<is_false>},
      {"integer", ask<is_integer>},    {"float", ask<is_float>},         {"number", ask<is_number>},
      {"string", ask<is_string>},      {"mapping", ask<is_mapping>},     {"sequence", ask<is_sequence>},
      {"iterable", ask<is_iterable>},  {"callable", ask<is_callable>},   {"escaped", ask<is_escaped>},
      {"odd", is_odd},                 {"even", is_even},                {"divisibleby", is_divisible},
      {"lower", is_lower},             {"upper", is_upper},              {"sameas", is_same},
      {"filter", names_filter},        {"test", names_test},             {"in", relation<kIn>},
      {"eq", relation<kEq>},           {"equalto", relation<kEq>},       {"==", relation<kEq>},
      {"ne", relation<kNe>},           {"!=", relation<kNe>},            {"lt", relation<kLt>},
      {"lessthan", relation<kLt>},     {"<", relation<kLt>},             {"le", relation<kLe>},
      {"<=", relation<kLe>},           {"gt", relation<kGt>},            {"greaterthan", relation<kGt>},
      {">", relation<kGt>},            {"ge", relation<kGe>},            {">=", relation<kGe>},
  };
  return kTests;
}

}  // namespace vauban::jinja
