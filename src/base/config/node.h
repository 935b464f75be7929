/// ConfigNode: the value tree between a config text (TOML, JSON, flags) and a config struct, with source positions.
///
/// A table keeps its entries in the order of the source. Plain data, owned; no third-party type shows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace vauban {

/// 1-based; line 0 means unknown (a value from JSON or from the command line). Columns count code points.
struct SourcePos {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend bool operator==(const SourcePos&, const SourcePos&) = default;
};

/// A TOML date or time. No field takes one; it is kept so that the refusal can name it.
struct DateTimeText {
  std::string text;
  friend bool operator==(const DateTimeText&, const DateTimeText&) = default;
};

struct ConfigEntry;

struct ConfigNode {
  using Array = std::vector<ConfigNode>;
  using Table = std::vector<ConfigEntry>;
  using Value = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, float, double, std::string,
                             DateTimeText, Array, Table>;
  Value value;
  SourcePos pos{};

  bool is_null() const { return std::holds_alternative<std::monostate>(value); }
  const Array* array() const { return std::get_if<Array>(&value); }
  const Table* table() const { return std::get_if<Table>(&value); }
  const std::string* string() const { return std::get_if<std::string>(&value); }
};

struct ConfigEntry {
  std::string key;
  ConfigNode value;
  SourcePos key_pos{};
};

/// Shortest text that reads back as the same value, always with a point or an exponent (or "nan", "inf", "-inf").
std::string number_text(float value);
std::string number_text(double value);

/// Letters, digits, `_` and `-` only: TOML writes such a key without quotes.
bool is_bare_key(std::string_view key);

/// What a message calls this value: `the string "abc"`, `the integer 3`, `a table`. Long strings are cut.
std::string describe_node(const ConfigNode& node);

/// Positions are unknown in the result.
ConfigNode node_from_json(const Json& json);
/// Null members are left out, as TOML has no null either.
Json node_to_json(const ConfigNode& node);

}  // namespace vauban
