/// The tree of a template. Nodes are immutable after parsing; what they do is in expressions.cpp and statements.cpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "text/template/natives.h"
#include "text/template/value.h"

namespace vauban::jinja {

class Evaluator;

enum class Flow { next, break_loop, continue_loop };

struct Expression {
  int line = 1;
  int depth = 1;  ///< of the tree below; bounded by the parser
  virtual ~Expression() = default;
  virtual Result<Value> evaluate(Evaluator& evaluator) const = 0;
};
using ExpressionPtr = std::unique_ptr<Expression>;

struct Statement {
  int line = 1;
  virtual ~Statement() = default;
  virtual Result<Flow> execute(Evaluator& evaluator) const = 0;
};
using Body = std::vector<std::unique_ptr<Statement>>;

/// Where a value goes: a name, an attribute of a namespace, or a tuple of such places.
struct Target {
  std::string name, attribute;
  std::vector<Target> parts;  ///< not empty: a tuple
  bool is_tuple = false;
  int line = 1;
};

struct ArgumentList {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star, star_star;  ///< *list and **dict; may be null
};

struct Parameters {
  std::vector<std::string> names;
  std::vector<ExpressionPtr> defaults;  ///< of the last names
};

/// A macro, or the body of a call block.
struct MacroDefinition {
  std::string name;
  Parameters parameters;
  Body body;
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};

// Expressions.
struct Constant final : Expression {
  Value value;
  Result<Value> evaluate(Evaluator&) const override { return value; }
};
struct NameExpression final : Expression {
  std::string name;
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct SequenceExpression final : Expression {
  Kind kind = Kind::list;  ///< list or tuple
  std::vector<ExpressionPtr> items;
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct DictExpression final : Expression {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct UnaryExpression final : Expression {
  std::string op;  ///< "not", "-", "+"
  ExpressionPtr operand;
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct BinaryExpression final : Expression {
  std::string op;  ///< arithmetic, "and", "or"
  ExpressionPtr left, right;
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct ConcatExpression final : Expression {
  std::vector<ExpressionPtr> parts;
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct CompareExpression final : Expression {
  ExpressionPtr first;
  std::vector<std::pair<std::string, ExpressionPtr>> rest;  ///< "==", "in", "not in" ...
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct ConditionalExpression final : Expression {
  ExpressionPtr test, yes, no;  ///< no may be null
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct AttributeExpression final : Expression {
  ExpressionPtr object;
  std::string name;
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct ItemExpression final : Expression {
  ExpressionPtr object, key;
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct SliceExpression final : Expression {
  ExpressionPtr object, start, stop, step;  ///< the bounds may be null
  Result<Value> evaluate(Evaluator& evaluator) const override;
};
struct CallExpression final : Expression {
  ExpressionPtr callee;
  ArgumentList arguments;
  Result<Value> evaluate(Evaluator& evaluator) const override;
  /// With one more named argument, the body of a call block.
  Result<Value> call_with(Evaluator& evaluator, const Value* caller) const;
};
struct FilterExpression final : Expression {
  std::string name;
  const Native* filter = nullptr;  ///< null: unknown, an error when it is reached
  ExpressionPtr operand;           ///< null at the start of a filter block
  ArgumentList arguments;
  Result<Value> evaluate(Evaluator& evaluator) const override;
  /// Through the whole chain, with `input` for the missing operand.
  Result<Value> apply(Evaluator& evaluator, const Value& input) const;
};
struct TestExpression final : Expression {
  std::string name;
  const Native* test = nullptr;
  bool negated = false;
  ExpressionPtr operand;
  ArgumentList arguments;
  Result<Value> evaluate(Evaluator& evaluator) const override;
};

// Statements.
struct TextStatement final : Statement {
  std::string text;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct PrintStatement final : Statement {
  ExpressionPtr value;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct IfStatement final : Statement {
  std::vector<std::pair<ExpressionPtr, Body>> branches;
  Body otherwise;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct ForStatement final : Statement {
  Target target;
  ExpressionPtr items, condition;  ///< condition may be null
  bool recursive = false;
  Body body, otherwise;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct SetStatement final : Statement {
  Target target;
  ExpressionPtr value;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct SetBlockStatement final : Statement {
  Target target;
  std::unique_ptr<FilterExpression> filter;  ///< may be null
  Body body;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct MacroStatement final : Statement {
  MacroDefinition macro;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct CallStatement final : Statement {
  MacroDefinition caller;
  std::unique_ptr<CallExpression> call;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct FilterStatement final : Statement {
  std::unique_ptr<FilterExpression> filter;
  Body body;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct WithStatement final : Statement {
  std::vector<std::pair<Target, ExpressionPtr>> variables;
  Body body;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
/// `{% block %}`, which without inheritance is only a scope.
struct BlockStatement final : Statement {
  Body body;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
/// `{% generation %}`: what the assistant is trained to write.
struct GenerationStatement final : Statement {
  Body body;
  Result<Flow> execute(Evaluator& evaluator) const override;
};
struct FlowStatement final : Statement {
  Flow flow = Flow::next;
  Result<Flow> execute(Evaluator&) const override { return flow; }
};
/// include, import, from, extends: there are no other templates here.
struct LoadStatement final : Statement {
  std::string tag;
  Result<Flow> execute(Evaluator& evaluator) const override;
};

}  // namespace vauban::jinja
