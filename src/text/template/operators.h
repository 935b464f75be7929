/// What Python's operators do with values.
#pragma once

#include <string_view>

#include "base/result.h"
#include "text/template/budget.h"
#include "text/template/value.h"

namespace vauban::jinja {

class Evaluator;

/// A list, tuple or text that is paid for from the budget.
Result<Value> new_list(Budget& budget, std::vector<Value> items, Kind kind = Kind::list, std::string name = {});
Result<Value> new_text(Budget& budget, std::string text, bool safe = false);

/// op: + - * / // % **. Errors: invalid_input for types that do not go together, division by zero, integer overflow.
Result<Value> arithmetic(std::string_view op, const Value& left, const Value& right, Budget& budget);
Result<Value> negate(const Value& value);

/// ==: never fails, except over budget.
Result<bool> equal(const Value& left, const Value& right, Budget& budget);
/// <0, 0, >0. Errors: invalid_input for types without an order.
Result<int> compare(const Value& left, const Value& right, Budget& budget);
/// op: == != < <= > >= in "not in".
Result<bool> holds(std::string_view op, const Value& left, const Value& right, Budget& budget);
Result<bool> contains(const Value& container, const Value& item, Budget& budget);

/// `value.name`, in the sandbox: methods and keys; undefined where there is none.
Result<Value> get_attribute(const Value& value, std::string_view name);
/// `value[key]`; undefined where there is none.
Result<Value> get_item(const Value& value, const Value& key, Budget& budget);
/// `value[start:stop:step]`, none for what was left out.
Result<Value> get_slice(const Value& value, const Value& start, const Value& stop, const Value& step, Budget& budget);
/// "a.b.0" as filters' `attribute` names it.
Result<Value> get_path(const Value& value, const Value& path, Budget& budget);

}  // namespace vauban::jinja
