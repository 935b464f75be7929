// Methods of lists and dicts. Those that change their container are out of reach (access.cpp).
#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/template/operators.h"

namespace vauban::jinja {
namespace {

Result<Value> keys_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  VB_TRY(std::vector<Value> keys, iterate(self, evaluator.budget()));
  return new_list(evaluator.budget(), std::move(keys), Kind::view, "dict_keys");
}

Result<Value> values_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  std::vector<Value> values;
  for (const auto& [key, value] : self.dict().entries()) values.push_back(value);
  return new_list(evaluator.budget(), std::move(values), Kind::view, "dict_values");
}

Result<Value> items_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  std::vector<Value> pairs;
  for (const auto& [key, value] : self.dict().entries()) {
    VB_TRY(Value pair, new_list(evaluator.budget(), {key, value}, Kind::tuple));
    pairs.push_back(std::move(pair));
  }
  return new_list(evaluator.budget(), std::move(pairs), Kind::view, "dict_items");
}

Result<Value> get_method(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 2));
  const Value* found = self.dict().find(bound[0]);
  if (found) return *found;
  return bound.get(1) ? bound[1] : Value::none();
}

Result<Value> copy_method(Evaluator&, const Value& self, const Arguments& arguments) {
  VB_CHECK(Bound::positional(arguments, 0, 0));
  return self;
}

Result<Value> count_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 1));
  int count = 0;
  for (const Value& item : self.items()) {
    VB_TRY(const bool same, equal(item, bound[0], evaluator.budget()));
    count += same;
  }
  return Value(count);
}

Result<Value> index_method(Evaluator& evaluator, const Value& self, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 1));
  for (std::size_t i = 0; i < self.items().size(); ++i) {
    VB_TRY(const bool same, equal(self.items()[i], bound[0], evaluator.budget()));
    if (same) return Value(static_cast<Integer>(i));
  }
  return invalid_input("ValueError: the item is not in the list");
}

}  // namespace

std::span<const Native> dict_methods() {
  static constexpr Native kMethods[] = {{"keys", keys_method}, {"values", values_method}, {"items", items_method},
                                        {"get", get_method},   {"copy", copy_method}};
  return kMethods;
}

std::span<const Native> list_methods() {
  static constexpr Native kMethods[] = {{"count", count_method}, {"index", index_method}, {"copy", copy_method}};
  return kMethods;
}

}  // namespace vauban::jinja
