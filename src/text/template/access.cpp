// Attributes, items and slices, as the sandbox lets templates reach them.
#include <algorithm>
#include <array>
#include <limits>

#include "base/strings.h"
#include "text/template/code_points.h"
#include "text/template/natives.h"
#include "text/template/objects.h"
#include "text/template/operators.h"
#include "text/template/python_text.h"

namespace vauban::jinja {
namespace {

constexpr std::array<std::string_view, 11> kChanging{"append", "clear",  "extend", "insert",     "pop",   "popitem",
                                                     "remove", "reverse", "sort",  "setdefault", "update"};

bool changes_a_container(const Value& value, std::string_view name) {
  return (value.is(Kind::list) || value.is_dict()) && std::find(kChanging.begin(), kChanging.end(), name) != kChanging.end();
}

/// "'dict object' has no attribute 'q'"
Value missing(const Value& value, std::string_view what) {
  if (value.is_none()) return Value::undefined(format("none has no attribute '{}'", printable(what, 80)));
  return Value::undefined(format("'{} object' has no attribute '{}'", value.type_name(), printable(what, 80)));
}

const Native* method_of(const Value& value, std::string_view name) {
  if (value.is_string()) {
    const Native* found = find_native(string_methods(), name);
    return found ? found : find_native(string_questions(), name);
  }
  if (value.is_dict()) return find_native(dict_methods(), name);
  return value.is_sequence() ? find_native(list_methods(), name) : nullptr;
}

std::optional<Value> attribute_of(const Value& value, std::string_view name) {
  if (name.starts_with("__") && name.ends_with("__")) return guarded(name, value.type_name());
  if (changes_a_container(value, name)) return guarded(name, value.type_name());
  const bool group = value.is(Kind::tuple) && value.sequence().name == "group";  // what groupby gives
  if (group && (name == "grouper" || name == "list")) return value.items()[name == "list" ? 1 : 0];
  if (const Native* method = method_of(value, name)) return native_value(*method, value);
  return value.is(Kind::object) ? value.object()->attribute(name) : std::nullopt;
}

std::optional<std::size_t> index_in(Integer index, std::size_t size) {
  const auto count = static_cast<Integer>(size);
  if (index < 0) index += count;
  if (index < 0 || index >= count) return std::nullopt;
  return static_cast<std::size_t>(index);
}

bool has_items_by_number(const Value& value) {
  return value.is(Kind::list) || value.is(Kind::tuple) || (value.is(Kind::view) && value.type_name() == "range");
}

Result<Value> item_of_text(const Value& value, Integer index, Budget& budget) {
  VB_CHECK(budget.steps(1 + value.text().size() / 64));
  const std::u32string points = to_code_points(value.text());
  const auto place = index_in(index, points.size());
  if (!place) return missing(value, integer_text(index));
  return Value(from_code_points(std::u32string_view(points).substr(*place, 1)), value.is_safe());
}

struct Range {
  std::int64_t start, stop, step;
};

Result<std::int64_t> bound_of(const Value& value, std::int64_t otherwise) {
  if (value.is_none()) return otherwise;
  if (value.is_undefined()) return undefined_error(value);
  if (!value.is_whole()) return invalid_input("TypeError: a slice needs integers, found {}", value.type_name());
  const Integer limit = std::numeric_limits<std::int32_t>::max();
  return static_cast<std::int64_t>(std::clamp<Integer>(value.whole(), -limit, limit));
}

/// Python's slice.indices().
Result<Range> slice_range(const Value& start, const Value& stop, const Value& step, std::int64_t size) {
  Range range{};
  VB_TRY(range.step, bound_of(step, 1));
  if (range.step == 0) return invalid_input("ValueError: the step of a slice cannot be 0");
  const bool forward = range.step > 0;
  const auto place = [&](std::int64_t i) {
    if (i < 0) i += size;
    return forward ? std::clamp<std::int64_t>(i, 0, size) : std::clamp<std::int64_t>(i, -1, size - 1);
  };
  constexpr std::int64_t kOpen = std::numeric_limits<std::int64_t>::min();
  VB_TRY(const std::int64_t first, bound_of(start, kOpen));
  VB_TRY(const std::int64_t last, bound_of(stop, kOpen));
  range.start = first == kOpen ? (forward ? 0 : size - 1) : place(first);
  range.stop = last == kOpen ? (forward ? size : -1) : place(last);
  return range;
}

template <class T>
T sliced(const T& all, const Range& range) {
  T out;
  for (std::int64_t i = range.start; range.step > 0 ? i < range.stop : i > range.stop; i += range.step)
    out.push_back(all[static_cast<std::size_t>(i)]);
  return out;
}

}  // namespace

Value guarded(std::string_view attribute, std::string_view type) {
  return Value::undefined(
      format("SecurityError: the attribute '{}' of {} is out of a template's reach", printable(attribute, 80), type));
}

Result<Value> get_attribute(const Value& value, std::string_view name) {
  if (value.is_undefined()) return undefined_error(value);
  if (auto found = attribute_of(value, name)) return *std::move(found);
  const Value* entry = value.is_dict() ? value.dict().find(name) : nullptr;
  return entry ? *entry : missing(value, name);
}

Result<Value> get_item(const Value& value, const Value& key, Budget& budget) {
  if (value.is_undefined()) return undefined_error(value);
  if (value.is_dict()) {
    if (const Value* entry = value.dict().find(key)) return *entry;
  } else if (key.is_whole() && has_items_by_number(value)) {
    const auto place = index_in(key.whole(), value.items().size());
    return place ? value.items()[*place] : missing(value, integer_text(key.whole()));
  } else if (key.is_whole() && value.is_string()) {
    return item_of_text(value, key.whole(), budget);
  }
  if (!key.is_string()) return missing(value, key.type_name());
  auto found = attribute_of(value, key.text());
  return found ? *std::move(found) : missing(value, key.text());
}

Result<Value> get_slice(const Value& value, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  if (value.is_undefined()) return undefined_error(value);
  if (value.is_string()) {
    const std::u32string points = to_code_points(value.text());
    VB_CHECK(budget.steps(1 + points.size() / 64));
    VB_TRY(const Range range, slice_range(start, stop, step, static_cast<std::int64_t>(points.size())));
    return new_text(budget, from_code_points(sliced(points, range)), value.is_safe());
  }
  if (!has_items_by_number(value)) return invalid_input("TypeError: '{}' object cannot be sliced", value.type_name());
  VB_TRY(const Range range, slice_range(start, stop, step, static_cast<std::int64_t>(value.items().size())));
  VB_CHECK(budget.steps(value.items().size() / 8));
  return new_list(budget, sliced(value.items(), range), value.is(Kind::tuple) ? Kind::tuple : Kind::list);
}

Result<Value> get_path(const Value& value, const Value& path, Budget& budget) {
  if (!path.is_string()) return get_item(value, path, budget);
  Value at = value;
  for (const std::string_view part : split(path.text(), '.')) {
    const bool is_number = !part.empty() && std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    const auto number = is_number ? parse_int(part) : Result<std::int64_t>(invalid_input("not a number"));
    const Value key = number ? Value(static_cast<Integer>(*number)) : Value(part);
    // environment.getitem: the item first, then the attribute.
    VB_TRY(at, get_item(at, key, budget));
  }
  return at;
}

}  // namespace vauban::jinja
