// What the statements of a template do.
#include "text/template/evaluator.h"
#include "text/template/objects.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"

namespace vauban::jinja {
namespace {

/// What `body` writes, in a scope of its own.
Result<Value> captured(Evaluator& evaluator, const Body& body) {
  return evaluator.capture([&]() -> Result<void> {
    VB_TRY([[maybe_unused]] const Flow flow, evaluator.execute_scoped(body));
    return ok();
  });
}

Result<void> write_value(Evaluator& evaluator, const Value& value) {
  if (value.is_string()) return evaluator.write(value.text());
  VB_TRY(const std::string text, to_text(value, evaluator.budget()));
  return evaluator.write(text);
}

}  // namespace

Result<Flow> TextStatement::execute(Evaluator& evaluator) const {
  VB_CHECK(evaluator.write(text));
  return Flow::next;
}

Result<Flow> PrintStatement::execute(Evaluator& evaluator) const {
  VB_TRY(const Value printed, evaluator.evaluate(*value));
  VB_CHECK(write_value(evaluator, printed));
  return Flow::next;
}

Result<Flow> IfStatement::execute(Evaluator& evaluator) const {
  for (const auto& [test, body] : branches) {
    VB_TRY(const Value condition, evaluator.evaluate(*test));
    if (condition.truth()) return evaluator.execute(body);
  }
  return evaluator.execute(otherwise);
}

Result<Flow> ForStatement::execute(Evaluator& evaluator) const {
  VB_TRY(const Value walked, evaluator.evaluate(*items));
  return evaluator.run_loop(*this, walked, 1);
}

Result<Flow> SetStatement::execute(Evaluator& evaluator) const {
  VB_TRY(const Value made, evaluator.evaluate(*value));
  VB_CHECK(evaluator.assign(target, made));
  return Flow::next;
}

Result<Flow> SetBlockStatement::execute(Evaluator& evaluator) const {
  VB_TRY(Value text, captured(evaluator, body));
  if (filter) {
    VB_TRY(text, filter->apply(evaluator, text));
  }
  VB_CHECK(evaluator.assign(target, text));
  return Flow::next;
}

Result<Flow> MacroStatement::execute(Evaluator& evaluator) const {
  VB_CHECK(evaluator.budget().bytes(sizeof(Scope)));
  evaluator.set(macro.name, evaluator.macro_value(macro));
  return Flow::next;
}

Result<Flow> CallStatement::execute(Evaluator& evaluator) const {
  VB_CHECK(evaluator.budget().bytes(sizeof(Scope)));
  const Value body = evaluator.macro_value(caller);
  VB_TRY(const Value text, call->call_with(evaluator, &body));
  VB_CHECK(write_value(evaluator, text));
  return Flow::next;
}

Result<Flow> FilterStatement::execute(Evaluator& evaluator) const {
  VB_TRY(const Value text, captured(evaluator, body));
  VB_TRY(const Value filtered, filter->apply(evaluator, text));
  VB_CHECK(write_value(evaluator, filtered));
  return Flow::next;
}

Result<Flow> WithStatement::execute(Evaluator& evaluator) const {
  std::vector<Value> values;  // all before the first assignment: they see the variables around
  for (const auto& [target, expression] : variables) {
    VB_TRY(Value value, evaluator.evaluate(*expression));
    values.push_back(std::move(value));
  }
  return evaluator.execute_with(body, variables, values);
}

Result<Flow> BlockStatement::execute(Evaluator& evaluator) const { return evaluator.execute_scoped(body); }

Result<Flow> GenerationStatement::execute(Evaluator& evaluator) const {
  VB_CHECK(evaluator.generation(body));
  return Flow::next;
}

Result<Flow> LoadStatement::execute(Evaluator&) const {
  return unsupported("'{}' loads another template, and there is none to load here", tag);
}

}  // namespace vauban::jinja
