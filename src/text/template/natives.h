/// Native: a filter, a test, a method or a global function, as an entry of a list.
#pragma once

#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/template/value.h"

namespace vauban::jinja {

class Evaluator;

struct Native {
  std::string_view name;
  /// self: what a filter or test is applied to, what a method belongs to; none for a function.
  Result<Value> (*call)(Evaluator& evaluator, const Value& self, const Arguments& arguments);
};

std::span<const Native> text_filters();
std::span<const Native> list_filters();
std::span<const Native> selecting_filters();
std::span<const Native> value_filters();
std::span<const Native> all_tests();
std::span<const Native> string_methods();
std::span<const Native> string_questions();
std::span<const Native> list_methods();
std::span<const Native> dict_methods();
std::span<const Native> global_functions();

/// nullptr for an unknown name.
const Native* find_native(std::span<const Native> list, std::string_view name);
const Native* find_filter(std::string_view name);
const Native* find_test(std::string_view name);

/// `native`, called as a method of `self` or as a function.
Value native_value(const Native& native, Value self);

/// Arguments matched with parameter names, as Python does it.
class Bound {
 public:
  /// The first `required` of `names` must be given. Errors: invalid_input ("TypeError: ...").
  static Result<Bound> bind(const Arguments& arguments, std::initializer_list<std::string_view> names,
                            std::size_t required = 0);
  /// Positional only, `least` to `most` of them.
  static Result<Bound> positional(const Arguments& arguments, std::size_t least, std::size_t most);

  const Value* get(std::size_t i) const { return i < values_.size() && values_[i] ? &*values_[i] : nullptr; }
  const Value& operator[](std::size_t i) const { return *values_[i]; }  ///< of a required one
  bool truth(std::size_t i, bool otherwise) const { return get(i) ? get(i)->truth() : otherwise; }
  /// Errors: invalid_input for another type.
  Result<std::int64_t> whole(std::size_t i, std::int64_t otherwise) const;
  Result<std::string> text(std::size_t i, std::string otherwise) const;

 private:
  std::vector<std::optional<Value>> values_;
};

}  // namespace vauban::jinja
