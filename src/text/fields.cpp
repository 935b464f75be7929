#include "text/fields.h"

#include "text/unicode.h"

namespace vauban::fields {
namespace {

Error wrong(std::string_view key, std::string_view expected, const Json* found) {
  return corrupt("key '{}': expected {}, found {}", key, expected, found ? found->type_name() : "nothing");
}

}  // namespace

const Json* present(const Json& object, std::string_view key) {
  const Json* member = object.find(key);
  return member && !member->is_null() ? member : nullptr;
}

Result<bool> boolean(const Json& object, std::string_view key) {
  const Json* member = object.find(key);
  if (!member || !member->is_bool()) return wrong(key, "a boolean", member);
  return member->as_bool();
}

Result<bool> boolean_or(const Json& object, std::string_view key, bool fallback) {
  return present(object, key) ? boolean(object, key) : Result<bool>(fallback);
}

Result<std::string> string(const Json& object, std::string_view key) {
  const Json* member = object.find(key);
  if (!member || !member->is_string()) return wrong(key, "a string", member);
  return member->as_string();
}

Result<std::string> string_or(const Json& object, std::string_view key, std::string fallback) {
  return present(object, key) ? string(object, key) : Result<std::string>(std::move(fallback));
}

Result<std::int64_t> integer(const Json& object, std::string_view key, std::int64_t low, std::int64_t high) {
  const Json* member = object.find(key);
  if (!member || !member->is_integer()) return wrong(key, "an integer", member);
  const std::int64_t value = member->as_int();
  if (value < low || value > high) return corrupt("key '{}': expected {} to {}, found {}", key, low, high, value);
  return value;
}

Result<const Json::Array*> array(const Json& object, std::string_view key) {
  const Json* member = object.find(key);
  if (!member || !member->is_array()) return wrong(key, "an array", member);
  return &member->items();
}

Result<const Json::Object*> object(const Json& object, std::string_view key) {
  const Json* member = object.find(key);
  if (!member || !member->is_object()) return wrong(key, "an object", member);
  return &member->entries();
}

Result<char32_t> character(const Json& object, std::string_view key) {
  VB_TRY(const std::string text, string(object, key));
  if (text.empty() || code_point_at(text, 0).size != text.size())
    return corrupt("key '{}': expected one character, found '{}'", key, text);
  return code_point_at(text, 0).value;
}

Result<std::string> type(const Json& component, std::string_view what) {
  if (!component.is_object())
    return corrupt("{}: expected an object with a 'type', found {}", what, component.type_name());
  VB_TRY(std::string name, string(component, "type"), "in a {}", what);
  return name;
}

}  // namespace vauban::fields
