#include "format/compressed/scheme.h"

#include "base/strings.h"

namespace vauban {
namespace {

std::string shown_value(const Json& value) {
  std::string text = value.dump().value_or(std::string(value.type_name()));
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return printable(text);
}

}  // namespace

const Json* SchemeKeys::find(std::string_view key) const {
  const Json* value = object_.find(key);
  return value && !value->is_null() ? value : nullptr;
}

Error SchemeKeys::unknown(std::string_view key, std::string_view known) const {
  const Json* value = find(key);
  return unsupported("{}.{} is {}; known: {}", where_, key, value ? shown_value(*value) : "absent", known);
}

Result<std::int64_t> SchemeKeys::integer(std::string_view key) const {
  const Json* value = find(key);
  if (!value) return corrupt("{}.{} is missing", where_, key);
  if (!value->is_integer()) return corrupt("{}.{}: expected an integer, found {}", where_, key, shown_value(*value));
  return value->as_int();
}

Result<std::int64_t> SchemeKeys::integer_or(std::string_view key, std::int64_t fallback) const {
  if (!find(key)) return fallback;
  return integer(key);
}

Result<bool> SchemeKeys::flag_or(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_bool()) return corrupt("{}.{}: expected true or false, found {}", where_, key, shown_value(*value));
  return value->as_bool();
}

Result<std::string> SchemeKeys::text_or(std::string_view key, std::string_view fallback) const {
  const Json* value = find(key);
  if (!value) return std::string(fallback);
  if (!value->is_string()) return corrupt("{}.{}: expected a text, found {}", where_, key, shown_value(*value));
  std::string text = value->as_string();
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

Result<void> SchemeKeys::refuse(std::string_view key) const {
  const Json* value = find(key);
  if (!value || *value == Json(false) || ((value->is_array() || value->is_object()) && value->size() == 0)) return ok();
  return unknown(key, "none");
}

Result<std::int64_t> SchemeKeys::group_size(std::string_view key) const {
  VB_TRY(const std::int64_t size, integer_or(key, -1));
  if (size == -1) return 0;
  if (size < 1 || size > (std::int64_t{1} << 30)) return unknown(key, "-1 and sizes from 1");
  return size;
}

}  // namespace vauban
