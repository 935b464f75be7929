// Filters that apply another filter or a test to each item.
#include "base/strings.h"
#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/template/objects.h"
#include "text/template/operators.h"

namespace vauban::jinja {
namespace {

/// The arguments behind the first `count`.
Arguments rest_of(const Arguments& arguments, std::size_t count) {
  Arguments rest{.positional = {}, .named = arguments.named};
  for (std::size_t i = count; i < arguments.positional.size(); ++i) rest.positional.push_back(arguments.positional[i]);
  return rest;
}

/// Nothing for what counts as false, none and 0 among it.
Result<std::vector<Value>> items_of(const Value& value, Budget& budget) {
  return value.truth() ? iterate(value, budget) : std::vector<Value>();
}

Result<const Native*> named_native(const Value& name, const Native* (*find)(std::string_view), std::string_view what) {
  const Native* native = name.is_string() ? find(name.text()) : nullptr;
  if (native) return native;
  return invalid_input("no {} is named '{}'", what, name.is_string() ? printable(name.text(), 60) : std::string(name.type_name()));
}

Result<Value> map_attribute(Evaluator& evaluator, const std::vector<Value>& items, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"attribute", "default"}, 1));
  std::vector<Value> made;
  for (const Value& item : items) {
    VB_TRY(Value value, get_path(item, bound[0], evaluator.budget()));
    if (value.is_undefined() && bound.get(1)) value = bound[1];
    made.push_back(std::move(value));
  }
  return generator(std::move(made));
}

Result<Value> map_filter(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const std::vector<Value> items, items_of(self, evaluator.budget()));
  if (arguments.positional.empty()) return map_attribute(evaluator, items, arguments);
  VB_TRY(const Native* filter, named_native(arguments.positional[0], find_filter, "filter"));
  const Arguments rest = rest_of(arguments, 1);
  std::vector<Value> made;
  for (const Value& item : items) {
    VB_CHECK(evaluator.budget().steps());
    VB_TRY(Value value, filter->call(evaluator, item, rest));
    made.push_back(std::move(value));
  }
  return generator(std::move(made));
}

/// The items whose test (or truth, without a test) is `wanted`. `by_attribute`: the first argument names what is tested.
Result<Value> chosen(Evaluator& evaluator, const Value& self, const Arguments& arguments, bool wanted, bool by_attribute) {
  VB_TRY(const std::vector<Value> items, items_of(self, evaluator.budget()));
  const std::size_t before = by_attribute ? 1 : 0;
  if (arguments.positional.size() < before) return invalid_input("FilterArgumentError: the name of an attribute is missing");
  const Native* test = nullptr;
  if (arguments.positional.size() > before) {
    VB_TRY(test, named_native(arguments.positional[before], find_test, "test"));
  }
  const Arguments rest = rest_of(arguments, before + 1);
  std::vector<Value> kept;
  for (const Value& item : items) {
    VB_CHECK(evaluator.budget().steps());
    VB_TRY(Value tested, by_attribute ? get_path(item, arguments.positional[0], evaluator.budget()) : Result<Value>(item));
    if (test) {
      VB_TRY(tested, test->call(evaluator, tested, rest));
    }
    if (tested.truth() == wanted) kept.push_back(item);
  }
  return generator(std::move(kept));
}

template <bool wanted, bool by_attribute>
Result<Value> choose(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  return chosen(evaluator, self, arguments, wanted, by_attribute);
}

}  // namespace

std::span<const Native> selecting_filters() {
  static constexpr Native kFilters[] = {
      {"map", map_filter},
      {"select", choose<true, false>},
      {"reject", choose<false, false>},
      {"selectattr", choose<true, true>},
      {"rejectattr", choose<false, true>},
  };
  return kFilters;
}

}  // namespace vauban::jinja
