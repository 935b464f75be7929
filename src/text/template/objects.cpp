#include "text/template/objects.h"

#include <algorithm>
#include <array>
#include <utility>

#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/template/operators.h"

namespace vauban::jinja {
namespace {

/// The object that a method was taken from.
template <class T>
T& as(const Value& self) {
  return static_cast<T&>(*self.object());
}

Result<Value> loop_cycle(Evaluator&, const Value& self, const Arguments& arguments) { return as<Loop>(self).cycle(arguments); }
Result<Value> loop_changed(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  return as<Loop>(self).changed(arguments, evaluator.budget());
}
Result<Value> cycler_next(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  return as<Cycler>(self).next();
}
Result<Value> cycler_reset(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  as<Cycler>(self).reset();
  return Value::none();
}

constexpr Native kLoopMethods[] = {{"cycle", loop_cycle}, {"changed", loop_changed}};
constexpr Native kCyclerMethods[] = {{"next", cycler_next}, {"reset", cycler_reset}};

std::optional<Value> method(std::span<const Native> list, std::string_view name, Object& object) {
  const Native* found = find_native(list, name);
  if (!found) return std::nullopt;
  return native_value(*found, Value(object.shared_from_this()));
}

Value number(std::size_t value) { return Value(static_cast<Integer>(value)); }

}  // namespace

std::optional<Value> Namespace::attribute(std::string_view name) {
  const auto found = values.find(name);
  return found == values.end() ? std::nullopt : std::optional<Value>(found->second);
}

Generator::Generator(std::vector<Value> items) : items_(std::move(items)) {
  for (const Value& item : items_) depth_ = std::max(depth_, 1 + item.depth());
}

Value generator(std::vector<Value> items) {
  return Value(std::shared_ptr<Object>(std::make_shared<Generator>(std::move(items))));
}

std::optional<Value> Loop::attribute(std::string_view name) {
  const auto& items = items_.items();
  if (name == "index") return number(index + 1);
  if (name == "index0") return number(index);
  if (name == "revindex") return number(items.size() - index);
  if (name == "revindex0") return number(items.size() - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index + 1 == items.size());
  if (name == "length") return number(items.size());
  if (name == "depth") return Value(level_);
  if (name == "depth0") return Value(level_ - 1);
  if (name == "previtem") return index > 0 ? items[index - 1] : Value::undefined("there is no previous item");
  if (name == "nextitem") return index + 1 < items.size() ? items[index + 1] : Value::undefined("there is no next item");
  return method(kLoopMethods, name, *this);
}

Result<Value> Loop::call(Evaluator& evaluator, const Arguments& arguments) {
  if (!statement_.recursive) return invalid_input("TypeError: only a loop marked 'recursive' can be called");
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 1));
  return evaluator.recurse(statement_, scope_, bound[0], level_ + 1);
}

Result<Value> Loop::cycle(const Arguments& arguments) const {
  if (arguments.positional.empty()) return invalid_input("TypeError: there are no items to cycle through");
  return arguments.positional[index % arguments.positional.size()];
}

Result<Value> Loop::changed(const Arguments& arguments, Budget& budget) {
  VB_TRY(Value now, new_list(budget, arguments.positional));
  bool same = false;
  if (last_changed_) {
    VB_TRY(same, equal(now, *last_changed_, budget));
  }
  last_changed_ = std::move(now);
  return Value(!same);
}

std::optional<Value> Cycler::attribute(std::string_view name) {
  if (name == "current") return current();
  return method(kCyclerMethods, name, *this);
}

Value Cycler::next() {
  const Value value = current();
  at_ = (at_ + 1) % items_.items().size();
  return value;
}

Result<Value> Joiner::call(Evaluator&, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  return std::exchange(used_, true) ? separator_ : Value("");
}

std::optional<Value> Macro::attribute(std::string_view name) {
  if (name == "name") return Value(definition_.name);
  if (name == "caller") return Value(definition_.uses_caller);
  if (name == "catch_kwargs") return Value(definition_.uses_kwargs);
  if (name == "catch_varargs") return Value(definition_.uses_varargs);
  if (name != "arguments") return std::nullopt;
  std::vector<Value> names(definition_.parameters.names.begin(), definition_.parameters.names.end());
  return Value::tuple(std::move(names));
}

Result<Value> Macro::call(Evaluator& evaluator, const Arguments& arguments) {
  return evaluator.call_macro(definition_, scope_, arguments);
}

}  // namespace vauban::jinja
