#include "base/config/leaf.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/strings.h"

namespace vauban {
namespace {

using Fault = std::optional<ValueFault>;

template <class T>
constexpr ScalarKind kind_of() {
  if constexpr (std::is_same_v<T, bool>)
    return ScalarKind::boolean;
  else if constexpr (std::is_integral_v<T>)
    return ScalarKind::integer;
  else if constexpr (std::is_floating_point_v<T>)
    return ScalarKind::number;
  else
    return ScalarKind::string;
}

// One overload per shape tells the type; the pointers are never read.
template <class T>
LeafInfo info_of(const T*) {
  return {.kind = kind_of<T>(), .is_unsigned = std::is_same_v<T, std::uint64_t>};
}
template <class T>
LeafInfo info_of(const std::optional<T>*) {
  LeafInfo info = info_of(static_cast<const T*>(nullptr));
  info.optional = true;
  return info;
}
template <class T>
LeafInfo info_of(const std::vector<T>*) {
  LeafInfo info = info_of(static_cast<const T*>(nullptr));
  info.shape = info.shape == LeafShape::list ? LeafShape::matrix : LeafShape::list;
  return info;
}
LeafInfo info_of(const std::map<std::string, std::string>*) { return {.shape = LeafShape::string_map}; }
LeafInfo info_of(const Json*) { return {.shape = LeafShape::free_form}; }

Fault fault(const ConfigNode& node, std::string message, std::string hint = {}) {
  return ValueFault{node.pos, "", std::move(message), std::move(hint)};
}

Fault wrong_type(const ConfigNode& node, const LeafInfo& wanted) {
  const bool wants_list = wanted.shape == LeafShape::list || wanted.shape == LeafShape::matrix;
  const bool alone = wants_list && !node.array() && !node.table();
  return fault(node, format("expected {}, found {}", type_phrase(wanted), describe_node(node)),
               alone ? "put the value in brackets: [...]" : "");
}

template <class T>
Fault check_range(const ConfigNode& node, const FieldSpec& spec, T value) {
  const double number = static_cast<double>(value);
  if ((!spec.min || number >= *spec.min) && (!spec.max || number <= *spec.max)) return {};
  return fault(node, format("expected {}, found {}", range_phrase(spec, kind_of<T>()), describe_node(node)));
}

Fault read_value(const ConfigNode& node, const FieldSpec&, bool& out) {
  const bool* value = std::get_if<bool>(&node.value);
  if (!value) return wrong_type(node, info_of(&out));
  out = *value;
  return {};
}

/// TOML integers end at 2^63 - 1. What an unsigned field holds above that is written as a string of digits.
std::optional<std::uint64_t> big_integer(const ConfigNode& node) {
  if (const auto* value = std::get_if<std::uint64_t>(&node.value)) return *value;
  const std::string* text = node.string();
  if (!text || text->empty()) return {};
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (problem != std::errc{} || end != text->data() + text->size()) return {};
  return value > std::uint64_t{std::numeric_limits<std::int64_t>::max()} ? std::optional(value) : std::nullopt;
}

template <class T>
Fault store_integer(const ConfigNode& node, const FieldSpec& spec, auto value, T& out) {
  using Limits = std::numeric_limits<T>;
  if (!std::in_range<T>(value))
    return fault(node, format("expected an integer from {} to {}, found {}", Limits::min(), Limits::max(), value));
  if (Fault bad = check_range(node, spec, static_cast<T>(value))) return bad;
  out = static_cast<T>(value);
  return {};
}

template <class T>
  requires std::is_integral_v<T>
Fault read_value(const ConfigNode& node, const FieldSpec& spec, T& out) {
  if (const auto* value = std::get_if<std::int64_t>(&node.value)) return store_integer(node, spec, *value, out);
  if (const auto* value = std::get_if<std::uint64_t>(&node.value)) return store_integer(node, spec, *value, out);
  if constexpr (std::is_same_v<T, std::uint64_t>)
    if (const auto value = big_integer(node)) return store_integer(node, spec, *value, out);
  return wrong_type(node, info_of(&out));
}

/// The number in a node; integers count where a double holds them exactly.
Fault number_in(const ConfigNode& node, const LeafInfo& wanted, double& out) {
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  const auto* whole = std::get_if<std::int64_t>(&node.value);
  if (const auto* value = std::get_if<double>(&node.value)) {
    out = *value;
  } else if (const auto* narrow = std::get_if<float>(&node.value)) {
    out = *narrow;
  } else if (whole && *whole <= kExact && *whole >= -kExact) {
    out = static_cast<double>(*whole);
  } else if (whole || std::holds_alternative<std::uint64_t>(node.value)) {
    return fault(node, format("expected a number, found {}, too big for an exact 64-bit float", describe_node(node)),
                 "write it with a decimal point");
  } else {
    return wrong_type(node, wanted);
  }
  if (!std::isfinite(out)) return fault(node, format("expected a finite number, found {}", number_text(out)));
  return {};
}

template <class T>
  requires std::is_floating_point_v<T>
Fault read_value(const ConfigNode& node, const FieldSpec& spec, T& out) {
  double number = 0;
  if (Fault bad = number_in(node, info_of(&out), number)) return bad;
  if (std::abs(number) > double{std::numeric_limits<T>::max()})
    return fault(node, format("expected a number that a 32-bit float can hold, found {}", number_text(number)));
  if (Fault bad = check_range(node, spec, number)) return bad;
  out = static_cast<T>(number);
  return {};
}

Fault read_value(const ConfigNode& node, const FieldSpec& spec, std::string& out) {
  const std::string* value = node.string();
  if (!value) return wrong_type(node, info_of(&out));
  if (!spec.choices.empty() && std::ranges::find(spec.choices, *value) == spec.choices.end()) {
    const std::string near = did_you_mean(*value, spec.choices);
    return fault(node, format("expected {}, found {}", choices_phrase(spec), describe_node(node)),
                 near.empty() ? "" : format("did you mean \"{}\"?", near));
  }
  out = *value;
  return {};
}

template <class T>
Fault read_value(const ConfigNode& node, const FieldSpec& spec, std::optional<T>& out) {
  if (node.is_null()) {
    out.reset();
    return {};
  }
  T value{};
  if (Fault bad = read_value(node, spec, value)) return bad;
  out = std::move(value);
  return {};
}

template <class T>
Fault read_value(const ConfigNode& node, const FieldSpec& spec, std::vector<T>& out) {
  const ConfigNode::Array* items = node.array();
  if (!items) return wrong_type(node, info_of(&out));
  std::vector<T> values;
  values.reserve(items->size());
  for (std::size_t i = 0; i < items->size(); ++i) {
    Fault bad = read_value((*items)[i], spec, values.emplace_back());
    if (!bad) continue;
    bad->where = format("[{}]", i) + bad->where;
    return bad;
  }
  out = std::move(values);
  return {};
}

Fault read_value(const ConfigNode& node, const FieldSpec& spec, std::map<std::string, std::string>& out) {
  const ConfigNode::Table* entries = node.table();
  if (!entries) return wrong_type(node, info_of(&out));
  std::map<std::string, std::string> values;
  for (const ConfigEntry& entry : *entries) {
    Fault bad = read_value(entry.value, spec, values[entry.key]);
    if (!bad) continue;
    bad->where = "." + printable(entry.key, 60);
    return bad;
  }
  out = std::move(values);
  return {};
}

Fault check_free_form(const ConfigNode& node) {
  if (node.is_null()) return fault(node, "expected a value, found null inside it, which TOML cannot write");
  if (std::holds_alternative<DateTimeText>(node.value))
    return fault(node, format("expected a JSON value, found {}", describe_node(node)), "put it in quotes");
  if (const auto* number = std::get_if<double>(&node.value); number && !std::isfinite(*number))
    return fault(node, format("expected a finite number, found {}", number_text(*number)));
  if (const ConfigNode::Array* items = node.array())
    for (const ConfigNode& item : *items)
      if (Fault bad = check_free_form(item)) return bad;
  if (const ConfigNode::Table* entries = node.table())
    for (const ConfigEntry& entry : *entries)
      if (Fault bad = check_free_form(entry.value)) return bad;
  return {};
}

Fault read_value(const ConfigNode& node, const FieldSpec&, Json& out) {
  if (!node.is_null())
    if (Fault bad = check_free_form(node)) return bad;
  out = node_to_json(node);
  return {};
}

template <class T>
ConfigNode write_value(const T& value) {
  if constexpr (std::is_same_v<T, int>)
    return {std::int64_t{value}, {}};
  else
    return {value, {}};
}
ConfigNode write_value(std::uint64_t value) {
  if (!std::in_range<std::int64_t>(value)) return {value, {}};
  return {static_cast<std::int64_t>(value), {}};
}
ConfigNode write_value(const Json& value) { return node_from_json(value); }
template <class T>
ConfigNode write_value(const std::optional<T>& value) {
  return value ? write_value(*value) : ConfigNode{};
}
template <class T>
ConfigNode write_value(const std::vector<T>& values) {
  ConfigNode::Array items;
  for (const T& value : values) items.push_back(write_value(value));
  return {std::move(items), {}};
}
ConfigNode write_value(const std::map<std::string, std::string>& values) {
  ConfigNode::Table entries;
  for (const auto& [key, value] : values) entries.push_back({key, {value, {}}, {}});
  return {std::move(entries), {}};
}

std::string bound_text(double bound, ScalarKind kind) {
  if (kind == ScalarKind::integer || bound == std::floor(bound)) return format("{:.0f}", bound);
  return number_text(bound);
}

}  // namespace

LeafInfo leaf_info(const LeafRef& leaf) {
  return std::visit([](const auto* pointer) { return info_of(pointer); }, leaf);
}

std::string type_phrase(const LeafInfo& info) {
  static constexpr std::string_view kOne[] = {"true or false", "an integer", "a number", "a string"};
  static constexpr std::string_view kMany[] = {"booleans", "integers", "numbers", "strings"};
  const auto kind = static_cast<std::size_t>(info.kind);
  switch (info.shape) {
    case LeafShape::scalar: return std::string(kOne[kind]);
    case LeafShape::list: return format("a list of {}", kMany[kind]);
    case LeafShape::matrix: return format("a list of lists of {}", kMany[kind]);
    case LeafShape::string_map: return "a table of strings";
    case LeafShape::free_form: return "any value";
  }
  return {};
}

std::optional<ValueFault> assign_leaf(const LeafRef& leaf, const ConfigNode& node, const FieldSpec& spec) {
  return std::visit([&](auto* value) { return read_value(node, spec, *value); }, leaf);
}

ConfigNode leaf_node(const LeafRef& leaf) {
  return std::visit([](const auto* value) { return write_value(*value); }, leaf);
}

void map_strings(const LeafRef& leaf, const std::function<std::string(const std::string&)>& change) {
  if (auto* const* text = std::get_if<std::string*>(&leaf)) **text = change(**text);
  if (auto* const* maybe = std::get_if<std::optional<std::string>*>(&leaf); maybe && **maybe)
    **maybe = change(***maybe);
  if (auto* const* list = std::get_if<std::vector<std::string>*>(&leaf))
    for (std::string& text : **list) text = change(text);
}

std::string range_phrase(const FieldSpec& spec, ScalarKind kind) {
  const std::string unit = spec.unit.empty() ? "" : " " + spec.unit;
  if (spec.min && spec.max) return format("{} to {}{}", bound_text(*spec.min, kind), bound_text(*spec.max, kind), unit);
  if (spec.min) return format("at least {}{}", bound_text(*spec.min, kind), unit);
  if (spec.max) return format("at most {}{}", bound_text(*spec.max, kind), unit);
  return {};
}

std::string choices_phrase(const FieldSpec& spec) {
  std::vector<std::string> shown = spec.choices;
  std::ranges::replace(shown, std::string(), std::string("\"\""));
  return "one of " + join(shown, ", ");
}

}  // namespace vauban
