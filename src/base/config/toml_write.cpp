#include <algorithm>

#include "base/config/dump.h"

namespace vauban {
namespace {

/// A basic string on one line. Source: TOML 1.0, section "String".
std::string toml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += std::string{'\\', c};
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (code < 0x20 || code == 0x7F)
      out += format("\\u{:04X}", code);
    else
      out += c;
  }
  return out + "\"";
}

std::string key_text(std::string_view key) { return is_bare_key(key) ? std::string(key) : toml_quoted(key); }

struct InlineText {
  std::string operator()(std::monostate) const { return "\"\""; }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return format("{}", value); }
  std::string operator()(std::uint64_t value) const { return format("\"{}\"", value); }  // beyond a TOML integer
  std::string operator()(float value) const { return number_text(value); }
  std::string operator()(double value) const { return number_text(value); }
  std::string operator()(const std::string& value) const { return toml_quoted(value); }
  std::string operator()(const DateTimeText& value) const { return value.text; }
  std::string operator()(const ConfigNode::Array& items) const {
    std::string text = "[";
    for (const ConfigNode& item : items) {
      if (item.is_null()) continue;
      text += (text.size() > 1 ? ", " : "") + std::visit(*this, item.value);
    }
    return text + "]";
  }
  std::string operator()(const ConfigNode::Table& entries) const {
    std::string text;
    for (const ConfigEntry& entry : entries) {
      if (entry.value.is_null()) continue;
      text += (text.empty() ? " " : ", ") + key_text(entry.key) + " = " + std::visit(*this, entry.value.value);
    }
    return text.empty() ? "{}" : "{" + text + " }";
  }
};

/// Tables, and lists of nothing but tables, get headers; everything else stands on one line.
bool has_header(const ConfigNode& node) {
  if (node.table()) return true;
  const ConfigNode::Array* items = node.array();
  return items && !items->empty() && std::ranges::all_of(*items, [](const ConfigNode& item) { return item.table(); });
}

void write_entries(const ConfigNode::Table& entries, const std::string& path, std::string& out);

void write_table(const ConfigNode::Table& entries, const std::string& path, std::string_view open,
                 std::string_view close, std::string& out) {
  if (!out.empty()) out += '\n';
  out += format("{}{}{}\n", open, path, close);
  write_entries(entries, path, out);
}

void write_entries(const ConfigNode::Table& entries, const std::string& path, std::string& out) {
  for (const ConfigEntry& entry : entries)
    if (!entry.value.is_null() && !has_header(entry.value))
      out += format("{} = {}\n", key_text(entry.key), std::visit(InlineText{}, entry.value.value));
  for (const ConfigEntry& entry : entries) {
    if (!has_header(entry.value)) continue;
    const std::string below = path.empty() ? key_text(entry.key) : path + "." + key_text(entry.key);
    if (const ConfigNode::Table* table = entry.value.table()) {
      write_table(*table, below, "[", "]", out);
      continue;
    }
    for (const ConfigNode& item : *entry.value.array()) write_table(*item.table(), below, "[[", "]]", out);
  }
}

}  // namespace

std::string toml_text(const ConfigNode& table) {
  std::string out;
  if (table.table()) write_entries(*table.table(), "", out);
  return out;
}

}  // namespace vauban
