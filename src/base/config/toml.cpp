#include "base/config/toml.h"

#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "base/config/toml_scan.h"
#include "base/strings.h"

namespace vauban {
namespace {

SourcePos position(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

ConfigNode convert(const toml::node& node);

ConfigNode::Array convert_array(const toml::array& array) {
  ConfigNode::Array items;
  items.reserve(array.size());
  for (const toml::node& item : array) items.push_back(convert(item));
  return items;
}

/// toml++ sorts a table by key; the order of the source is put back.
ConfigNode::Table convert_table(const toml::table& table) {
  ConfigNode::Table entries;
  entries.reserve(table.size());
  for (const auto& [key, value] : table)
    entries.push_back({std::string(key.str()), convert(value), position(key.source())});
  std::ranges::stable_sort(entries, [](const ConfigEntry& a, const ConfigEntry& b) {
    return std::pair(a.key_pos.line, a.key_pos.column) < std::pair(b.key_pos.line, b.key_pos.column);
  });
  return entries;
}

ConfigNode::Value convert_value(const toml::node& node) {
  if (const auto* table = node.as_table()) return convert_table(*table);
  if (const auto* array = node.as_array()) return convert_array(*array);
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* integer = node.as_integer()) return std::int64_t{integer->get()};
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* boolean = node.as_boolean()) return boolean->get();
  std::ostringstream text;
  if (const auto* date = node.as_date()) text << date->get();
  if (const auto* time = node.as_time()) text << time->get();
  if (const auto* both = node.as_date_time()) text << both->get();
  return DateTimeText{text.str()};
}

ConfigNode convert(const toml::node& node) { return {convert_value(node), position(node.source())}; }

Error syntax_error(const toml::parse_error& error, std::string_view file_name) {
  const SourcePos pos = position(error.source());
  return invalid_input("{}:{}:{}: not valid TOML: {}", file_name, pos.line, pos.column,
                       printable(error.description(), 300));
}

}  // namespace

Result<ConfigNode> parse_toml(std::string_view text, std::string_view file_name) {
  if (text.size() > kMaxTomlBytes)
    return resource("{}: a config file may have {} bytes, this one has {}", file_name, kMaxTomlBytes, text.size());
  VB_CHECK(scan_toml(text, file_name));
  try {
    const toml::table document = toml::parse(text);
    if (!is_valid_utf8(text)) return invalid_input("{}: not valid UTF-8", file_name);
    return ConfigNode{convert_table(document), {1, 1}};
  } catch (const toml::parse_error& error) {
    return syntax_error(error, file_name);
  } catch (const std::exception& error) {
    return invalid_input("{}: not valid TOML: {}", file_name, error.what());
  }
}

}  // namespace vauban
