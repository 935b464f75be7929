#include "text/template/natives.h"

#include <algorithm>
#include <limits>

#include "text/template/evaluator.h"

namespace vauban::jinja {
namespace {

class NativeObject final : public Object {
 public:
  NativeObject(const Native& native, Value self) : native_(native), self_(std::move(self)) {}
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  std::string text() const override { return format("<built-in {}>", native_.name); }
  bool callable() const override { return true; }
  Result<Value> call(Evaluator& evaluator, const Arguments& arguments) override {
    return native_.call(evaluator, self_, arguments);
  }
  int depth() const override { return 1 + self_.depth(); }

 private:
  const Native& native_;
  Value self_;
};

}  // namespace

const Native* find_native(std::span<const Native> list, std::string_view name) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const Native& entry) { return entry.name == name; });
  return found == list.end() ? nullptr : &*found;
}

const Native* find_filter(std::string_view name) {
  for (const auto list : {text_filters(), list_filters(), selecting_filters(), value_filters()})
    if (const Native* found = find_native(list, name)) return found;
  return nullptr;
}

const Native* find_test(std::string_view name) { return find_native(all_tests(), name); }

Value native_value(const Native& native, Value self) {
  return Value(std::shared_ptr<Object>(std::make_shared<NativeObject>(native, std::move(self))));
}

Result<Bound> Bound::bind(const Arguments& arguments, std::initializer_list<std::string_view> names, std::size_t required) {
  if (arguments.positional.size() > names.size())
    return invalid_input("TypeError: takes {} arguments at most, {} were given", names.size(), arguments.positional.size());
  Bound bound;
  bound.values_.resize(names.size());
  std::copy(arguments.positional.begin(), arguments.positional.end(), bound.values_.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto place = std::find(names.begin(), names.end(), name);
    if (place == names.end()) return invalid_input("TypeError: got an unexpected keyword argument '{}'", name);
    auto& slot = bound.values_[static_cast<std::size_t>(place - names.begin())];
    if (slot) return invalid_input("TypeError: got several values for the argument '{}'", name);
    slot = value;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (!bound.values_[i]) return invalid_input("TypeError: the argument '{}' is missing", names.begin()[i]);
  return bound;
}

Result<Bound> Bound::positional(const Arguments& arguments, std::size_t least, std::size_t most) {
  if (!arguments.named.empty()) return invalid_input("TypeError: takes no keyword arguments");
  const std::size_t given = arguments.positional.size();
  if (given < least || given > most)
    return invalid_input("TypeError: takes {} to {} arguments, {} were given", least, most, given);
  Bound bound;
  bound.values_.assign(arguments.positional.begin(), arguments.positional.end());
  return bound;
}

Result<std::int64_t> Bound::whole(std::size_t i, std::int64_t otherwise) const {
  const Value* value = get(i);
  if (!value || value->is_none()) return otherwise;
  if (!value->is_whole()) return invalid_input("TypeError: expected an integer, found {}", value->type_name());
  const Integer low = std::numeric_limits<std::int64_t>::min(), high = std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(std::clamp(value->whole(), low, high));
}

Result<std::string> Bound::text(std::size_t i, std::string otherwise) const {
  const Value* value = get(i);
  if (!value || value->is_none()) return otherwise;
  if (!value->is_string()) return invalid_input("TypeError: expected a string, found {}", value->type_name());
  return value->text();
}

}  // namespace vauban::jinja
