/// Strict reading of JSON objects: every member is known, absent and null mean "empty", the rest must have its type.
/// Errors are `corrupt` and name the key.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace vauban::json_fields {

/// Errors: the value is no object, or has a member that is not in `known` (with a did-you-mean).
Result<void> only(const Json& object, std::initializer_list<std::string_view> known);

/// A member that is neither absent nor null, or nullptr.
const Json* present(const Json& object, std::string_view key);

Result<std::string> text_or(const Json& object, std::string_view key, std::string fallback);
Result<std::int64_t> int_or(const Json& object, std::string_view key, std::int64_t fallback);
Result<double> double_or(const Json& object, std::string_view key, double fallback);
Result<bool> bool_or(const Json& object, std::string_view key, bool fallback);
Result<std::optional<std::int64_t>> optional_int(const Json& object, std::string_view key);
Result<std::optional<double>> optional_double(const Json& object, std::string_view key);
Result<std::optional<std::string>> optional_text(const Json& object, std::string_view key);
/// Fits an int and is >= 0.
Result<std::optional<int>> optional_layer(const Json& object, std::string_view key);
/// An object, or null when absent or null.
Result<Json> object_or_null(const Json& object, std::string_view key);

Result<std::vector<std::string>> texts(const Json& object, std::string_view key);
Result<std::vector<std::int64_t>> ints(const Json& object, std::string_view key);
Result<std::vector<double>> doubles(const Json& object, std::string_view key);

/// Each item of a list, read by `read`; empty when absent or null.
template <class T>
Result<std::vector<T>> each(const Json& object, std::string_view key, Result<T> (*read)(const Json&)) {
  std::vector<T> values;
  if (!present(object, key)) return values;
  VB_TRY(const Json* list, object.get_array(key));
  for (const Json& item : list->items()) {
    VB_TRY(T value, read(item), "in '{}[{}]'", key, values.size());
    values.push_back(std::move(value));
  }
  return values;
}

/// A word outside its vocabulary makes the file corrupt, whatever the parser of the word calls it.
template <class T>
Result<T> as_corrupt(Result<T> result) {
  if (result) return result;
  Error error = std::move(result).error();
  error.code = ErrorCode::corrupt;
  return error;
}

/// The value itself, or null when empty.
template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}
inline Json or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

/// metadata and the like: an empty object stands for null.
inline Json object_of(const Json& value) { return value.is_null() ? Json::object() : value; }

}  // namespace vauban::json_fields
