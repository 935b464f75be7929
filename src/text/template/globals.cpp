// The functions that every template has.
#include <ctime>

#include "base/strings.h"
#include "text/template/evaluator.h"
#include "text/template/natives.h"
#include "text/template/objects.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"

namespace vauban::jinja {
namespace {

Result<Value> range_function(Evaluator& evaluator, const Value&, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::positional(arguments, 1, 3));
  for (const Value& value : arguments.positional)
    if (!value.is_whole())
      return value.is_undefined() ? undefined_error(value) : invalid_input("TypeError: range needs integers, found {}", value.type_name());
  VB_TRY(const std::int64_t first, bound.whole(0, 0));
  VB_TRY(const std::int64_t second, bound.whole(1, 0));
  VB_TRY(const std::int64_t step, bound.whole(2, 1));
  const std::int64_t start = bound.get(1) ? first : 0, stop = bound.get(1) ? second : first;
  if (step == 0) return invalid_input("ValueError: the step of range cannot be 0");
  const Integer distance = static_cast<Integer>(stop) - start;
  const Integer count = (step > 0) == (distance > 0) && distance != 0 ? (distance + step - (step > 0 ? 1 : -1)) / step : 0;
  if (count > kMaxRange) return invalid_input("OverflowError: range is longer than {} numbers", kMaxRange);
  std::vector<Value> items;
  for (Integer i = 0; i < count; ++i) items.emplace_back(start + i * step);
  std::string name = step == 1 ? format("range({}, {})", start, stop) : format("range({}, {}, {})", start, stop, step);
  return new_list(evaluator.budget(), std::move(items), Kind::view, std::move(name));
}

/// dict(mapping or pairs, **more) into `out`.
Result<void> fill_dict(Dict& out, const Arguments& arguments, Evaluator& evaluator) {
  if (arguments.positional.size() > 1) return invalid_input("TypeError: takes one mapping or list of pairs");
  if (!arguments.positional.empty() && arguments.positional[0].is_dict()) {
    for (const auto& [key, value] : arguments.positional[0].dict().entries()) VB_CHECK(out.set(key, value));
  } else if (!arguments.positional.empty()) {
    VB_TRY(const std::vector<Value> pairs, iterate(arguments.positional[0], evaluator.budget()));
    for (const Value& item : pairs) {
      VB_TRY(const std::vector<Value> pair, iterate(item, evaluator.budget()));
      if (pair.size() != 2) return invalid_input("ValueError: a dict is made of pairs, found {} values", pair.size());
      VB_CHECK(out.set(pair[0], pair[1]));
    }
  }
  for (const auto& [name, value] : arguments.named) VB_CHECK(out.set(Value(name), value));
  return evaluator.budget().bytes(out.entries().size() * sizeof(Dict::Entry));
}

Result<Value> dict_function(Evaluator& evaluator, const Value&, const Arguments& arguments) {
  auto dict = std::make_shared<Dict>();
  VB_CHECK(fill_dict(*dict, arguments, evaluator));
  return checked(Value(std::shared_ptr<const Dict>(std::move(dict))));
}

Result<Value> namespace_function(Evaluator& evaluator, const Value&, const Arguments& arguments) {
  Dict initial;
  VB_CHECK(fill_dict(initial, arguments, evaluator));
  VB_CHECK(evaluator.budget().bytes(sizeof(Namespace)));
  auto made = std::make_shared<Namespace>();
  for (const auto& [key, value] : initial.entries())
    if (key.is_string()) made->values[key.text()] = value;
  return evaluator.make_namespace(std::move(made));
}

Result<Value> cycler_function(Evaluator& evaluator, const Value&, const Arguments& arguments) {
  if (arguments.positional.empty() || !arguments.named.empty()) return invalid_input("TypeError: cycler needs at least one item");
  VB_TRY(Value items, new_list(evaluator.budget(), arguments.positional));
  return Value(std::shared_ptr<Object>(std::make_shared<Cycler>(std::move(items))));
}

Result<Value> joiner_function(Evaluator&, const Value&, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"sep"}));
  return Value(std::shared_ptr<Object>(std::make_shared<Joiner>(bound.get(0) ? bound[0] : Value(", "))));
}

Result<Value> raise_function(Evaluator& evaluator, const Value&, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"message"}, 1));
  VB_TRY(const std::string message, to_text(bound[0], evaluator.budget()));
  return invalid_input("the template refuses the conversation: {}", printable(message, 500));
}

Result<Value> strftime_function(Evaluator& evaluator, const Value&, const Arguments& arguments) {
  VB_TRY(const Bound bound, Bound::bind(arguments, {"format"}, 1));
  VB_TRY(const std::string pattern, bound.text(0, ""));
  if (!evaluator.now())
    return with_hint(invalid_input("the template asks for today's date, and none was given"), "give the time to render at");
  if (pattern.size() > 256) return invalid_input("ValueError: a date format longer than 256 characters");
  const std::time_t seconds = std::chrono::system_clock::to_time_t(*evaluator.now());
  std::tm fields{};
  if (!::gmtime_r(&seconds, &fields)) return invalid_input("ValueError: the date cannot be written");
  std::string out(8192, '\0');
  // A leading character, since an empty result and a full buffer look alike.
  out.resize(std::strftime(out.data(), out.size(), (" " + pattern).c_str(), &fields));
  if (out.empty()) return invalid_input("ValueError: the date cannot be written as '{}'", printable(pattern));
  return new_text(evaluator.budget(), out.substr(1));
}

}  // namespace

std::span<const Native> global_functions() {
  static constexpr Native kFunctions[] = {
      {"range", range_function},   {"dict", dict_function},     {"namespace", namespace_function},
      {"cycler", cycler_function}, {"joiner", joiner_function}, {"raise_exception", raise_function},
      {"strftime_now", strftime_function},
  };
  return kFunctions;
}

}  // namespace vauban::jinja
