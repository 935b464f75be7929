#include "trace/json_fields.h"

#include <algorithm>
#include <limits>

#include "base/strings.h"

namespace vauban::json_fields {
namespace {

constexpr std::size_t kQuotedBytes = 60;

/// The items of a list, empty when absent or null.
Result<const Json::Array*> items_of(const Json& object, std::string_view key) {
  static const Json::Array kNone;
  if (!present(object, key)) return &kNone;
  VB_TRY(const Json* list, object.get_array(key));
  return &list->items();
}

}  // namespace

Result<void> only(const Json& object, std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return corrupt("expected an object, found {}", object.type_name());
  for (const auto& [key, value] : object.entries()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string nearest = did_you_mean(key, std::vector<std::string>(known.begin(), known.end()));
    return with_hint(corrupt("unknown key '{}'", printable(key, kQuotedBytes)),
                     nearest.empty() ? "" : format("did you mean '{}'?", nearest));
  }
  return ok();
}

const Json* present(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value && !value->is_null() ? value : nullptr;
}

Result<std::string> text_or(const Json& object, std::string_view key, std::string fallback) {
  if (!present(object, key)) return fallback;
  return object.get_string(key);
}

Result<std::int64_t> int_or(const Json& object, std::string_view key, std::int64_t fallback) {
  if (!present(object, key)) return fallback;
  return object.get_int(key);
}

Result<double> double_or(const Json& object, std::string_view key, double fallback) {
  if (!present(object, key)) return fallback;
  return object.get_double(key);
}

Result<bool> bool_or(const Json& object, std::string_view key, bool fallback) {
  if (!present(object, key)) return fallback;
  return object.get_bool(key);
}

Result<std::optional<std::int64_t>> optional_int(const Json& object, std::string_view key) {
  if (!present(object, key)) return std::optional<std::int64_t>();
  VB_TRY(const std::int64_t value, object.get_int(key));
  return std::optional(value);
}

Result<std::optional<double>> optional_double(const Json& object, std::string_view key) {
  if (!present(object, key)) return std::optional<double>();
  VB_TRY(const double value, object.get_double(key));
  return std::optional(value);
}

Result<std::optional<std::string>> optional_text(const Json& object, std::string_view key) {
  if (!present(object, key)) return std::optional<std::string>();
  VB_TRY(std::string value, object.get_string(key));
  return std::optional(std::move(value));
}

Result<std::optional<int>> optional_layer(const Json& object, std::string_view key) {
  VB_TRY(const std::optional<std::int64_t> value, optional_int(object, key));
  if (!value) return std::optional<int>();
  if (*value < 0 || *value > std::numeric_limits<int>::max())
    return corrupt("expected a layer number >= 0 at key '{}', found {}", key, *value);
  return std::optional(static_cast<int>(*value));
}

Result<Json> object_or_null(const Json& object, std::string_view key) {
  if (!present(object, key)) return Json();
  VB_TRY(const Json* value, object.get_object(key));
  return *value;
}

Result<std::vector<std::string>> texts(const Json& object, std::string_view key) {
  VB_TRY(const Json::Array* items, items_of(object, key));
  std::vector<std::string> values;
  for (const Json& item : *items) {
    if (!item.is_string()) return corrupt("expected strings at key '{}', found {}", key, item.type_name());
    values.push_back(item.as_string());
  }
  return values;
}

Result<std::vector<std::int64_t>> ints(const Json& object, std::string_view key) {
  VB_TRY(const Json::Array* items, items_of(object, key));
  std::vector<std::int64_t> values;
  for (const Json& item : *items) {
    if (!item.is_integer()) return corrupt("expected integers at key '{}', found {}", key, item.type_name());
    values.push_back(item.as_int());
  }
  return values;
}

Result<std::vector<double>> doubles(const Json& object, std::string_view key) {
  VB_TRY(const Json::Array* items, items_of(object, key));
  std::vector<double> values;
  for (const Json& item : *items) {
    if (!item.is_number()) return corrupt("expected numbers at key '{}', found {}", key, item.type_name());
    values.push_back(item.as_double());
  }
  return values;
}

}  // namespace vauban::json_fields
