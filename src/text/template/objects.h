/// The objects that templates hold: namespaces, generators, loops, cyclers.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "text/template/ast.h"
#include "text/template/value.h"

namespace vauban::jinja {

struct Scope;

class Namespace final : public Object {
 public:
  std::string_view type_name() const override { return "Namespace"; }
  std::optional<Value> attribute(std::string_view name) override;
  std::map<std::string, Value, std::less<>> values;
};

/// What lazy filters give: walked once, without a length.
class Generator final : public Object {
 public:
  explicit Generator(std::vector<Value> items);
  std::string_view type_name() const override { return "generator"; }
  int depth() const override { return depth_; }
  std::vector<Value> take() { return std::exchange(items_, {}); }

 private:
  std::vector<Value> items_;
  int depth_ = 1;
};
Value generator(std::vector<Value> items);

/// `loop` inside a for.
class Loop final : public Object {
 public:
  Loop(const ForStatement& statement, Scope& scope, Value items, int level)
      : statement_(statement), scope_(scope), items_(std::move(items)), level_(level) {}
  std::string_view type_name() const override { return "LoopContext"; }
  std::optional<Value> attribute(std::string_view name) override;
  bool callable() const override { return statement_.recursive; }
  Result<Value> call(Evaluator& evaluator, const Arguments& arguments) override;
  int depth() const override { return 1 + items_.depth(); }

  std::size_t index = 0;  ///< from 0
  Result<Value> changed(const Arguments& arguments, Budget& budget);
  Result<Value> cycle(const Arguments& arguments) const;

 private:
  const ForStatement& statement_;
  Scope& scope_;
  Value items_;
  int level_;
  std::optional<Value> last_changed_;
};

class Cycler final : public Object {
 public:
  explicit Cycler(Value items) : items_(std::move(items)) {}
  std::string_view type_name() const override { return "Cycler"; }
  std::optional<Value> attribute(std::string_view name) override;
  int depth() const override { return 1 + items_.depth(); }
  Value next();
  Value current() const { return items_.items()[at_]; }
  void reset() { at_ = 0; }

 private:
  Value items_;
  std::size_t at_ = 0;
};

/// Nothing at the first call, the separator from then on.
class Joiner final : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string_view type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Result<Value> call(Evaluator& evaluator, const Arguments& arguments) override;

 private:
  Value separator_;
  bool used_ = false;
};

class Macro final : public Object {
 public:
  Macro(const MacroDefinition& definition, Scope& scope) : definition_(definition), scope_(scope) {}
  std::string_view type_name() const override { return "Macro"; }
  std::optional<Value> attribute(std::string_view name) override;
  bool callable() const override { return true; }
  Result<Value> call(Evaluator& evaluator, const Arguments& arguments) override;

 private:
  const MacroDefinition& definition_;
  Scope& scope_;
};

/// Undefined that the sandbox gives for a name it guards; calling it says so.
Value guarded(std::string_view attribute, std::string_view type);

}  // namespace vauban::jinja
