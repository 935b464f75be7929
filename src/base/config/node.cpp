#include "base/config/node.h"

#include "base/config/text.h"

namespace vauban {
namespace {

struct Describe {
  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(bool value) const { return value ? "the boolean true" : "the boolean false"; }
  std::string operator()(std::int64_t value) const { return format("the integer {}", value); }
  std::string operator()(std::uint64_t value) const { return format("the integer {}", value); }
  std::string operator()(float value) const { return "the number " + number_text(value); }
  std::string operator()(double value) const { return "the number " + number_text(value); }
  std::string operator()(const std::string& value) const { return format("the string \"{}\"", clipped(value)); }
  std::string operator()(const DateTimeText& value) const { return format("the date or time {}", clipped(value.text)); }
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

/// Json holds an integer as signed or unsigned; only values above the signed range need the unsigned one.
ConfigNode integer_node(const Json& json) {
  if (const std::optional<std::uint64_t> value = json_as_uint(json); value && *value > INT64_MAX) return {*value, {}};
  return {json.as_int(), {}};
}

}  // namespace

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
