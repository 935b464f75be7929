// What the expressions of a template do.
#include "text/template/evaluator.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"

namespace vauban::jinja {
namespace {

Result<Value> evaluate_or_none(Evaluator& evaluator, const ExpressionPtr& expression) {
  return expression ? evaluator.evaluate(*expression) : Result<Value>(Value::none());
}

}  // namespace

Result<Value> NameExpression::evaluate(Evaluator& evaluator) const { return evaluator.lookup(name); }

Result<Value> SequenceExpression::evaluate(Evaluator& evaluator) const {
  std::vector<Value> values;
  values.reserve(items.size());
  for (const auto& item : items) {
    VB_TRY(Value value, evaluator.evaluate(*item));
    values.push_back(std::move(value));
  }
  return new_list(evaluator.budget(), std::move(values), kind);
}

Result<Value> DictExpression::evaluate(Evaluator& evaluator) const {
  auto dict = std::make_shared<Dict>();
  for (const auto& [key_node, value_node] : entries) {
    VB_TRY(Value key, evaluator.evaluate(*key_node));
    VB_TRY(Value value, evaluator.evaluate(*value_node));
    VB_CHECK(evaluator.budget().bytes(sizeof(Dict::Entry)));
    VB_CHECK(dict->set(std::move(key), std::move(value)));
  }
  return checked(Value(std::shared_ptr<const Dict>(std::move(dict))));
}

Result<Value> UnaryExpression::evaluate(Evaluator& evaluator) const {
  VB_TRY(const Value value, evaluator.evaluate(*operand));
  if (op == "not") return Value(!value.truth());
  if (op == "-") return negate(value);
  if (value.is_whole()) return Value(value.whole());
  if (value.is_number()) return value;
  return value.is_undefined() ? undefined_error(value) : invalid_input("TypeError: '+' does not work on {}", value.type_name());
}

Result<Value> BinaryExpression::evaluate(Evaluator& evaluator) const {
  VB_TRY(Value first, evaluator.evaluate(*left));
  if (op == "and" || op == "or") {
    if (first.truth() == (op == "or")) return first;
    return evaluator.evaluate(*right);
  }
  VB_TRY(const Value second, evaluator.evaluate(*right));
  return arithmetic(op, first, second, evaluator.budget());
}

Result<Value> ConcatExpression::evaluate(Evaluator& evaluator) const {
  std::string text;
  for (const auto& part : parts) {
    VB_TRY(const Value value, evaluator.evaluate(*part));
    VB_TRY(const std::string piece, to_text(value, evaluator.budget()));
    text += piece;
  }
  return new_text(evaluator.budget(), std::move(text));
}

Result<Value> CompareExpression::evaluate(Evaluator& evaluator) const {
  VB_TRY(Value left, evaluator.evaluate(*first));
  for (const auto& [op, operand] : rest) {
    VB_TRY(Value right, evaluator.evaluate(*operand));
    VB_TRY(const bool true_so_far, holds(op, left, right, evaluator.budget()));
    if (!true_so_far) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> ConditionalExpression::evaluate(Evaluator& evaluator) const {
  VB_TRY(const Value condition, evaluator.evaluate(*test));
  if (condition.truth()) return evaluator.evaluate(*yes);
  if (no) return evaluator.evaluate(*no);
  return Value::undefined("the inline if-expression evaluated to false and has no else");
}

Result<Value> AttributeExpression::evaluate(Evaluator& evaluator) const {
  VB_TRY(const Value value, evaluator.evaluate(*object));
  return get_attribute(value, name);
}

Result<Value> ItemExpression::evaluate(Evaluator& evaluator) const {
  VB_TRY(const Value value, evaluator.evaluate(*object));
  VB_TRY(const Value index, evaluator.evaluate(*key));
  return get_item(value, index, evaluator.budget());
}

Result<Value> SliceExpression::evaluate(Evaluator& evaluator) const {
  VB_TRY(const Value value, evaluator.evaluate(*object));
  VB_TRY(const Value first, evaluate_or_none(evaluator, start));
  VB_TRY(const Value last, evaluate_or_none(evaluator, stop));
  VB_TRY(const Value stride, evaluate_or_none(evaluator, step));
  return get_slice(value, first, last, stride, evaluator.budget());
}

Result<Value> CallExpression::evaluate(Evaluator& evaluator) const { return call_with(evaluator, nullptr); }

Result<Value> CallExpression::call_with(Evaluator& evaluator, const Value* caller) const {
  VB_TRY(const Value function, evaluator.evaluate(*callee));
  VB_TRY(Arguments given, evaluator.evaluate_arguments(arguments));
  if (caller) given.named.emplace_back("caller", *caller);
  return evaluator.call(function, given);
}

Result<Value> FilterExpression::evaluate(Evaluator& evaluator) const { return apply(evaluator, Value()); }

Result<Value> FilterExpression::apply(Evaluator& evaluator, const Value& input) const {
  Value value = input;
  if (const auto* inner = dynamic_cast<const FilterExpression*>(operand.get())) {
    VB_TRY(value, inner->apply(evaluator, input));
  } else if (operand) {
    VB_TRY(value, evaluator.evaluate(*operand));
  }
  if (!filter) return invalid_input("no filter is named '{}'", name);
  VB_TRY(const Arguments given, evaluator.evaluate_arguments(arguments));
  return filter->call(evaluator, value, given);
}

Result<Value> TestExpression::evaluate(Evaluator& evaluator) const {
  VB_TRY(const Value value, evaluator.evaluate(*operand));
  if (!test) return invalid_input("no test is named '{}'", name);
  VB_TRY(const Arguments given, evaluator.evaluate_arguments(arguments));
  VB_TRY(const Value answer, test->call(evaluator, value, given));
  return Value(answer.truth() != negated);
}

}  // namespace vauban::jinja
