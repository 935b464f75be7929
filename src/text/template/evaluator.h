/// Evaluator: one rendering. Scopes, output, limits and the calls between macros.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/template/ast.h"
#include "text/template/budget.h"
#include "text/template/value.h"

namespace vauban::jinja {

/// Variables by name, over those of the scope around. `kept`: a macro or a loop may still look here after the end.
struct Scope {
  explicit Scope(Scope* around) : outer(around) {}
  Scope* outer;
  std::map<std::string, Value, std::less<>> variables;
  bool kept = false;
};

struct GenerationSpan {
  std::size_t begin = 0, end = 0;  ///< bytes of the output
};

class Evaluator {
 public:
  Evaluator(const Limits& limits, std::optional<std::chrono::system_clock::time_point> now);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  /// Runs a template over `variables`. -> the text.
  Result<std::string> run(const Body& body, const Dict& variables);
  const std::vector<GenerationSpan>& generations() const { return generations_; }
  /// A generation block stood inside a macro or another capture, so that its place in the text is not known.
  bool lost_generation() const { return lost_generation_; }

  // What nodes and natives use.
  Budget& budget() { return budget_; }
  std::optional<std::chrono::system_clock::time_point> now() const { return now_; }
  /// Errors carry the line of the innermost node.
  Result<Value> evaluate(const Expression& expression);
  Result<Flow> execute(const Body& body);
  /// In a scope of its own.
  Result<Flow> execute_scoped(const Body& body);
  /// In a scope of its own, with these variables.
  Result<Flow> execute_with(const Body& body, const std::vector<std::pair<Target, ExpressionPtr>>& variables,
                            const std::vector<Value>& values);
  Result<Value> call(const Value& callee, const Arguments& arguments);
  Result<Arguments> evaluate_arguments(const ArgumentList& list);
  Result<Value> call_macro(const MacroDefinition& macro, Scope& defined_in, const Arguments& arguments);
  /// A macro as a value, which looks into the present scope when it runs.
  Value macro_value(const MacroDefinition& macro);
  /// The loop over `items`; `level` counts from 1.
  Result<Flow> run_loop(const ForStatement& loop, const Value& items, int level);
  /// `loop(items)` of a recursive loop that stood in `scope`. -> the text
  Result<Value> recurse(const ForStatement& loop, Scope& scope, const Value& items, int level);

  Value lookup(std::string_view name) const;
  void set(const std::string& name, Value value);
  Result<void> assign(const Target& target, const Value& value);
  Result<void> write(std::string_view text);
  /// What `body` writes, as a value.
  Result<Value> capture(const std::function<Result<void>()>& body);
  Result<void> generation(const Body& body);
  Value make_namespace(std::shared_ptr<Object> object);
  Scope& scope() { return *scope_; }
  /// The present scope outlives its block.
  void keep_scope();

 private:
  class ScopeGuard;
  class DepthGuard;
  Result<void> bind_parameters(const MacroDefinition& macro, const Arguments& arguments);
  Result<std::vector<Value>> loop_items(const ForStatement& loop, const Value& items);

  Budget budget_;
  std::optional<std::chrono::system_clock::time_point> now_;
  int depth_ = 0;
  Scope* scope_ = nullptr;
  std::vector<std::unique_ptr<Scope>> kept_;
  std::vector<std::shared_ptr<Object>> namespaces_;  ///< emptied at the end: they may hold each other
  std::string* out_ = nullptr;
  std::string root_;
  std::vector<GenerationSpan> generations_;
  bool lost_generation_ = false;
};

/// The items of what can be walked: lists, the keys of dicts, characters of text; nothing for undefined.
/// Errors: invalid_input for what cannot.
Result<std::vector<Value>> iterate(const Value& value, Budget& budget);

}  // namespace vauban::jinja
