#include "model/config_keys.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "base/strings.h"

namespace vauban {
namespace {

/// 9.999999747378752e-06, which is the f32 nearest to 1e-05, gives 1e-05; a number that is no f32 is kept.
double shortest_decimal(double value) {
  if (std::fabs(value) > static_cast<double>(std::numeric_limits<float>::max())) return value;
  const float narrow = static_cast<float>(value);
  if (static_cast<double>(narrow) != value) return value;
  char text[64];
  const auto written = std::to_chars(text, text + sizeof text, narrow);
  double wide = value;
  std::from_chars(text, written.ptr, wide);
  return wide;
}

bool fits_token_id(const Json& value) {
  return value.is_integer() && value.as_int() >= 0 && value.as_int() <= std::numeric_limits<std::int32_t>::max();
}

}  // namespace

std::string shown(const Json& value) {
  const Result<std::string> text = value.dump();
  return text ? printable(*text, 80) : std::string(value.type_name());
}

ConfigKeys::ConfigKeys(const Json& object, std::string where, std::string prefix)
    : object_(object), where_(std::move(where)), prefix_(std::move(prefix)) {}

std::string ConfigKeys::name(std::string_view key) const { return format("key '{}{}' in {}", prefix_, key, where_); }

const Json* ConfigKeys::find(std::string_view key) const {
  const Json* value = object_.find(prefix_ + std::string(key));
  return value && !value->is_null() ? value : nullptr;
}

Result<std::int64_t> ConfigKeys::count(std::string_view key, std::int64_t limit) const {
  const Json* value = find(key);
  if (!value) return corrupt("{}: expected an integer, found nothing", name(key));
  if (!value->is_integer() || value->as_int() < 1 || value->as_int() > limit)
    return corrupt("{}: expected an integer from 1 to {}, found {}", name(key), limit, shown(*value));
  return value->as_int();
}

Result<std::int64_t> ConfigKeys::count_or(std::string_view key, std::int64_t fallback, std::int64_t limit) const {
  return find(key) ? count(key, limit) : Result<std::int64_t>(fallback);
}

Result<std::int64_t> ConfigKeys::count_or_zero(std::string_view key, std::int64_t fallback, std::int64_t limit) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_integer() || value->as_int() < 0 || value->as_int() > limit)
    return corrupt("{}: expected an integer from 0 to {}, found {}", name(key), limit, shown(*value));
  return value->as_int();
}

Result<double> ConfigKeys::positive(std::string_view key) const {
  const Json* value = find(key);
  if (!value) return corrupt("{}: expected a number, found nothing", name(key));
  if (!value->is_number() || !std::isfinite(value->as_double()) || value->as_double() <= 0)
    return corrupt("{}: expected a number > 0, found {}", name(key), shown(*value));
  return shortest_decimal(value->as_double());
}

Result<double> ConfigKeys::positive_or(std::string_view key, double fallback) const {
  return find(key) ? positive(key) : Result<double>(fallback);
}

Result<bool> ConfigKeys::flag_or(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_bool()) return corrupt("{}: expected true or false, found {}", name(key), shown(*value));
  return value->as_bool();
}

Result<std::string> ConfigKeys::text_or(std::string_view key, std::string_view fallback) const {
  const Json* value = find(key);
  if (!value) return std::string(fallback);
  if (!value->is_string()) return corrupt("{}: expected a string, found {}", name(key), shown(*value));
  return value->as_string();
}

Result<std::vector<std::int32_t>> ConfigKeys::token_ids(std::string_view key) const {
  std::vector<std::int32_t> ids;
  const Json* value = find(key);
  if (!value) return ids;
  const Json::Array items = value->is_array() ? value->items() : Json::Array{*value};
  for (const Json& item : items) {
    if (!fits_token_id(item))
      return corrupt("{}: expected a token id or a list of them, found {}", name(key), shown(*value));
    ids.push_back(static_cast<std::int32_t>(item.as_int()));
  }
  return ids;
}

}  // namespace vauban
