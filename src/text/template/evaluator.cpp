#include "text/template/evaluator.h"

#include <algorithm>

#include "base/strings.h"
#include "text/template/natives.h"
#include "text/template/objects.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"
#include "text/unicode.h"

namespace vauban::jinja {

class Evaluator::ScopeGuard {
 public:
  /// A scope inside `outer`.
  ScopeGuard(Evaluator& evaluator, Scope* outer)
      : evaluator_(evaluator), before_(evaluator.scope_), scope_(std::make_unique<Scope>(outer)) {
    evaluator.scope_ = scope_.get();
  }
  ~ScopeGuard() {
    evaluator_.scope_ = before_;
    if (scope_->kept) evaluator_.kept_.push_back(std::move(scope_));
  }

 private:
  Evaluator& evaluator_;
  Scope* before_;
  std::unique_ptr<Scope> scope_;
};

class Evaluator::DepthGuard {
 public:
  explicit DepthGuard(int& depth) : depth_(depth) { ++depth_; }
  ~DepthGuard() { --depth_; }

 private:
  int& depth_;
};

namespace {

constexpr std::string_view kPlace = "template line ";

/// The error with the line of the innermost node.
Error located(Error error, int line) {
  if (!error.message.starts_with(kPlace)) error.message = format("{}{}: {}", kPlace, line, error.message);
  return error;
}

}  // namespace

Evaluator::Evaluator(const Limits& limits, std::optional<std::chrono::system_clock::time_point> now)
    : budget_(limits), now_(now) {}

Evaluator::~Evaluator() {
  for (const auto& object : namespaces_) static_cast<Namespace&>(*object).values.clear();
}

Result<std::string> Evaluator::run(const Body& body, const Dict& variables) {
  out_ = &root_;
  const ScopeGuard globals(*this, nullptr);
  for (const Native& native : global_functions()) set(std::string(native.name), native_value(native, Value::none()));
  const ScopeGuard top(*this, scope_);
  for (const auto& [name, value] : variables.entries())
    if (name.is_string()) set(name.text(), value);
  VB_TRY([[maybe_unused]] const Flow flow, execute(body));
  return std::move(root_);
}

Result<Value> Evaluator::evaluate(const Expression& expression) {
  const DepthGuard guard(depth_);
  if (depth_ > budget_.max_depth())
    return located(resource("evaluation nests deeper than {} levels (a macro that calls itself?)", budget_.max_depth()),
                   expression.line);
  VB_CHECK(budget_.steps());
  auto value = expression.evaluate(*this);
  if (!value) return located(std::move(value).error(), expression.line);
  return value;
}

Result<Flow> Evaluator::execute(const Body& body) {
  const DepthGuard guard(depth_);
  if (depth_ > budget_.max_depth()) return resource("blocks nest deeper than {} levels", budget_.max_depth());
  for (const auto& statement : body) {
    VB_CHECK(budget_.steps());
    auto flow = statement->execute(*this);
    if (!flow) return located(std::move(flow).error(), statement->line);
    if (*flow != Flow::next) return flow;
  }
  return Flow::next;
}

Result<Flow> Evaluator::execute_scoped(const Body& body) {
  const ScopeGuard scope(*this, scope_);
  return execute(body);
}

Result<Flow> Evaluator::execute_with(const Body& body, const std::vector<std::pair<Target, ExpressionPtr>>& variables,
                                     const std::vector<Value>& values) {
  const ScopeGuard scope(*this, scope_);
  for (std::size_t i = 0; i < values.size(); ++i) VB_CHECK(assign(variables[i].first, values[i]));
  return execute(body);
}

Value Evaluator::lookup(std::string_view name) const {
  for (const Scope* scope = scope_; scope; scope = scope->outer)
    if (const auto found = scope->variables.find(name); found != scope->variables.end()) return found->second;
  return Value::undefined(format("'{}' is undefined", name));
}

void Evaluator::set(const std::string& name, Value value) { scope_->variables[name] = std::move(value); }

Result<void> Evaluator::assign(const Target& target, const Value& value) {
  if (!target.attribute.empty()) {
    const Value holder = lookup(target.name);
    auto* space = holder.is(Kind::object) ? dynamic_cast<Namespace*>(holder.object().get()) : nullptr;
    if (!space) return invalid_input("'{}' is no namespace: its attributes cannot be set", target.name);
    VB_CHECK(budget_.bytes(sizeof(Value)));
    space->values[target.attribute] = value;
    return ok();
  }
  if (!target.is_tuple) {
    VB_CHECK(budget_.bytes(sizeof(Value)));
    set(target.name, value);
    return ok();
  }
  VB_TRY(const std::vector<Value> items, iterate(value, budget_));
  if (items.size() != target.parts.size())
    return invalid_input("ValueError: expected {} values to unpack, found {}", target.parts.size(), items.size());
  for (std::size_t i = 0; i < items.size(); ++i) VB_CHECK(assign(target.parts[i], items[i]));
  return ok();
}

Result<void> Evaluator::write(std::string_view text) {
  VB_CHECK(budget_.bytes(text.size()));
  out_->append(text);
  return ok();
}

Result<Value> Evaluator::capture(const std::function<Result<void>()>& body) {
  std::string text;
  std::string* const before = std::exchange(out_, &text);
  const Result<void> done = body();
  out_ = before;
  if (!done) return done.error();
  return Value(std::move(text));
}

Result<void> Evaluator::generation(const Body& body) {
  const bool at_root = out_ == &root_;
  lost_generation_ = lost_generation_ || !at_root;
  const std::size_t begin = out_->size();
  VB_TRY([[maybe_unused]] const Flow flow, execute_scoped(body));
  if (at_root) generations_.push_back({begin, out_->size()});
  return ok();
}

Value Evaluator::make_namespace(std::shared_ptr<Object> object) {
  namespaces_.push_back(object);
  return Value(std::move(object));
}

void Evaluator::keep_scope() {
  for (Scope* scope = scope_; scope && !scope->kept; scope = scope->outer) scope->kept = true;
}

Value Evaluator::macro_value(const MacroDefinition& macro) {
  keep_scope();
  return Value(std::shared_ptr<Object>(std::make_shared<Macro>(macro, *scope_)));
}

Result<Value> Evaluator::call(const Value& callee, const Arguments& arguments) {
  if (callee.is_undefined()) return undefined_error(callee);
  if (!callee.is(Kind::object)) return invalid_input("TypeError: '{}' object is not callable", callee.type_name());
  const std::shared_ptr<Object> object = callee.object();  // alive during the call
  return object->call(*this, arguments);
}

Result<Arguments> Evaluator::evaluate_arguments(const ArgumentList& list) {
  Arguments arguments;
  for (const auto& argument : list.positional) {
    VB_TRY(Value value, evaluate(*argument));
    arguments.positional.push_back(std::move(value));
  }
  for (const auto& [name, argument] : list.named) {
    VB_TRY(Value value, evaluate(*argument));
    arguments.named.emplace_back(name, std::move(value));
  }
  if (list.star) {
    VB_TRY(const Value star, evaluate(*list.star));
    VB_TRY(const std::vector<Value> items, iterate(star, budget_));
    arguments.positional.insert(arguments.positional.end(), items.begin(), items.end());
  }
  if (list.star_star) {
    VB_TRY(const Value more, evaluate(*list.star_star));
    if (!more.is_dict()) return invalid_input("TypeError: '**' needs a dict, found {}", more.type_name());
    for (const auto& [name, value] : more.dict().entries()) {
      if (!name.is_string()) return invalid_input("TypeError: names of arguments must be text");
      arguments.named.emplace_back(name.text(), value);
    }
  }
  return arguments;
}

Result<void> Evaluator::bind_parameters(const MacroDefinition& macro, const Arguments& arguments) {
  const auto& names = macro.parameters.names;
  const std::size_t given = std::min(arguments.positional.size(), names.size());
  for (std::size_t i = 0; i < given; ++i) set(names[i], arguments.positional[i]);
  if (arguments.positional.size() > names.size() && !macro.uses_varargs)
    return invalid_input("TypeError: macro '{}' takes {} arguments at most, {} were given", macro.name, names.size(),
                         arguments.positional.size());
  const auto extra = arguments.positional.begin() + static_cast<std::ptrdiff_t>(given);
  if (macro.uses_varargs) set("varargs", Value::tuple({extra, arguments.positional.end()}));
  auto keywords = std::make_shared<Dict>();
  if (macro.uses_caller) set("caller", Value::undefined("no caller is defined: the macro was not invoked by a call block"));
  for (const auto& [name, value] : arguments.named) {
    const auto place = std::find(names.begin(), names.end(), name);
    if (place != names.end()) {
      if (static_cast<std::size_t>(place - names.begin()) < given)
        return invalid_input("TypeError: macro '{}' got several values for '{}'", macro.name, name);
      set(name, value);
    } else if (name == "caller" && macro.uses_caller) {
      set(name, value);
    } else if (macro.uses_kwargs) {
      VB_CHECK(keywords->set(Value(name), value));
    } else {
      return invalid_input("TypeError: macro '{}' takes no keyword argument '{}'", macro.name, printable(name, 60));
    }
  }
  if (macro.uses_kwargs) set("kwargs", Value(std::shared_ptr<const Dict>(std::move(keywords))));
  const std::size_t first_default = names.size() - macro.parameters.defaults.size();
  for (std::size_t i = given; i < names.size(); ++i) {
    if (scope_->variables.contains(names[i])) continue;
    if (i < first_default) {
      set(names[i], Value::undefined(format("parameter '{}' was not provided", names[i])));
    } else {
      VB_TRY(Value value, evaluate(*macro.parameters.defaults[i - first_default]));
      set(names[i], std::move(value));
    }
  }
  return ok();
}

Result<Value> Evaluator::call_macro(const MacroDefinition& macro, Scope& defined_in, const Arguments& arguments) {
  const ScopeGuard scope(*this, &defined_in);
  VB_CHECK(bind_parameters(macro, arguments));
  return capture([&]() -> Result<void> {
    VB_TRY([[maybe_unused]] const Flow flow, execute(macro.body));
    return ok();
  });
}

Result<std::vector<Value>> Evaluator::loop_items(const ForStatement& loop, const Value& items) {
  VB_TRY(std::vector<Value> all, iterate(items, budget_));
  if (!loop.condition) return all;
  std::vector<Value> chosen;
  for (Value& item : all) {
    const ScopeGuard scope(*this, scope_);
    VB_CHECK(assign(loop.target, item));
    VB_TRY(const Value test, evaluate(*loop.condition));
    if (test.truth()) chosen.push_back(std::move(item));
  }
  return chosen;
}

Result<Flow> Evaluator::run_loop(const ForStatement& statement, const Value& items, int level) {
  VB_TRY(std::vector<Value> chosen, loop_items(statement, items));
  if (chosen.empty()) return execute_scoped(statement.otherwise);
  if (statement.recursive) {
    VB_CHECK(budget_.bytes(sizeof(Scope)));
    keep_scope();
  }
  VB_TRY(Value list, new_list(budget_, std::move(chosen)));
  const auto loop = std::make_shared<Loop>(statement, *scope_, list, level);
  for (const Value& item : list.items()) {
    VB_CHECK(budget_.bytes(sizeof(Scope)));
    const ScopeGuard scope(*this, scope_);
    set("loop", Value(std::shared_ptr<Object>(loop)));
    VB_CHECK(assign(statement.target, item));
    VB_TRY(const Flow flow, execute(statement.body));
    if (flow == Flow::break_loop) break;
    ++loop->index;
  }
  return Flow::next;
}

Result<Value> Evaluator::recurse(const ForStatement& statement, Scope& scope, const Value& items, int level) {
  const DepthGuard guard(depth_);
  Scope* const before = std::exchange(scope_, &scope);
  auto text = capture([&]() -> Result<void> {
    VB_TRY([[maybe_unused]] const Flow flow, run_loop(statement, items, level));
    return ok();
  });
  scope_ = before;
  return text;
}

Result<std::vector<Value>> iterate(const Value& value, Budget& budget) {
  if (value.is_sequence()) {
    VB_CHECK(budget.steps(value.items().size() / 8));
    return value.items();
  }
  if (value.is_undefined()) return std::vector<Value>();
  std::vector<Value> items;
  if (value.is_dict()) {
    VB_CHECK(budget.steps(value.dict().entries().size()));
    for (const auto& [key, entry] : value.dict().entries()) items.push_back(key);
    return items;
  }
  if (value.is_string()) {
    VB_CHECK(budget.bytes(value.text().size() * sizeof(Value)));
    for (std::size_t at = 0; at < value.text().size();) {
      const CodePoint point = code_point_at(value.text(), at);
      items.emplace_back(value.text().substr(at, point.size));
      at += point.size;
    }
    return items;
  }
  auto* lazy = value.is(Kind::object) ? dynamic_cast<Generator*>(value.object().get()) : nullptr;
  if (lazy) return lazy->take();
  return invalid_input("TypeError: '{}' object is not iterable", value.type_name());
}

}  // namespace vauban::jinja
