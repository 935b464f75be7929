#include "base/config/node.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::size_t kShownBytes = 40;  // of a string in a message

struct Describe {
  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(bool value) const { return value ? "the boolean true" : "the boolean false"; }
  std::string operator()(std::int64_t value) const { return format("the integer {}", value); }
  std::string operator()(std::uint64_t value) const { return format("the integer {}", value); }
  std::string operator()(float value) const { return "the number " + number_text(value); }
  std::string operator()(double value) const { return "the number " + number_text(value); }
  std::string operator()(const std::string& value) const {
    return format("the string \"{}\"", printable(value, kShownBytes));
  }
  std::string operator()(const DateTimeText& value) const { return "the date or time " + printable(value.text); }
  std::string operator()(const ConfigNode::Array& value) const {
    return value.empty() ? "an empty list" : format("a list of {}", value.size());
  }
  std::string operator()(const ConfigNode::Table&) const { return "a table"; }
};

struct ToJson {
  Json operator()(std::monostate) const { return {}; }
  Json operator()(const DateTimeText& value) const { return value.text; }
  Json operator()(const ConfigNode::Array& value) const {
    Json::Array items;
    items.reserve(value.size());
    for (const ConfigNode& item : value) items.push_back(node_to_json(item));
    return items;
  }
  Json operator()(const ConfigNode::Table& value) const {
    Json::Object entries;
    for (const ConfigEntry& entry : value)
      if (!entry.value.is_null()) entries.insert_or_assign(entry.key, node_to_json(entry.value));
    return entries;
  }
  template <class T>
  Json operator()(const T& value) const {
    return value;
  }
};

/// Json shows values above the signed range only through its text.
ConfigNode integer_node(const Json& json) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  if (json.as_int() != kMost || json == Json(kMost)) return {json.as_int(), {}};
  const Result<std::string> digits = json.dump();
  std::uint64_t value = 0;
  if (digits) std::from_chars(digits->data(), digits->data() + digits->size(), value);
  return {value, {}};
}

template <class T>
std::string with_point(T value) {
  std::string text = format("{}", value);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

}  // namespace

bool is_bare_key(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

std::string number_text(float value) { return with_point(value); }
std::string number_text(double value) { return with_point(value); }

std::string describe_node(const ConfigNode& node) { return std::visit(Describe{}, node.value); }

Json node_to_json(const ConfigNode& node) { return std::visit(ToJson{}, node.value); }

ConfigNode node_from_json(const Json& json) {
  if (json.is_bool()) return {json.as_bool(), {}};
  if (json.is_integer()) return integer_node(json);
  if (json.is_number()) return {json.as_double(), {}};
  if (json.is_string()) return {json.as_string(), {}};
  if (json.is_array()) {
    ConfigNode::Array items;
    items.reserve(json.size());
    for (const Json& item : json.items()) items.push_back(node_from_json(item));
    return {std::move(items), {}};
  }
  if (json.is_object()) {
    ConfigNode::Table entries;
    for (const auto& [key, value] : json.entries()) entries.push_back({key, node_from_json(value), {}});
    return {std::move(entries), {}};
  }
  return {};
}

}  // namespace vauban
