// json.dumps as transformers' tojson calls it.
#include <algorithm>
#include <cmath>

#include "text/template/python_text.h"
#include "text/unicode.h"

namespace vauban::jinja {
namespace {

struct JsonTextWriter {
  const JsonStyle& style;
  Budget& budget;
  std::string out;

  Result<void> add(std::string_view text) {
    VB_CHECK(budget.bytes(text.size()));
    out += text;
    return ok();
  }
  Result<void> new_line(int level) {
    if (!style.indent) return ok();
    VB_CHECK(add("\n"));
    for (int i = 0; i < level; ++i) VB_CHECK(add(*style.indent));
    return ok();
  }
  Result<void> array(const std::vector<Value>& items, int level);
  Result<void> object(const Dict& dict, int level);
  Result<void> write(const Value& value, int level);
};

void append_escaped(std::string& out, char32_t c) {
  if (c >= 0x10000) {
    const auto offset = static_cast<unsigned>(c) - 0x10000;
    out += format("\\u{:04x}\\u{:04x}", 0xD800 + (offset >> 10), 0xDC00 + (offset & 0x3FF));
    return;
  }
  out += format("\\u{:04x}", static_cast<unsigned>(c));
}

std::string json_string(std::string_view text, bool ascii) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    switch (point.value) {
      case U'"': out += "\\\""; break;
      case U'\\': out += "\\\\"; break;
      case U'\n': out += "\\n"; break;
      case U'\r': out += "\\r"; break;
      case U'\t': out += "\\t"; break;
      case U'\b': out += "\\b"; break;
      case U'\f': out += "\\f"; break;
      default:
        if (point.value < 0x20 || (ascii && point.value > 0x7E))
          append_escaped(out, point.value);
        else
          out += text.substr(at, point.size);
    }
    at += point.size;
  }
  return out + "\"";
}

std::string json_float(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return float_text(value);
}

Result<std::string> key_text(const Value& key) {
  switch (key.kind()) {
    case Kind::string: return key.text();
    case Kind::none: return std::string("null");
    case Kind::boolean: return std::string(key.truth() ? "true" : "false");
    case Kind::integer: return integer_text(key.whole());
    case Kind::real: return json_float(key.real());
    default: return invalid_input("TypeError: keys must be str, int, float, bool or None, not {}", key.type_name());
  }
}

Result<void> JsonTextWriter::array(const std::vector<Value>& items, int level) {
  if (items.empty()) return add("[]");
  VB_CHECK(add("["));
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) VB_CHECK(add(style.item_separator));
    VB_CHECK(new_line(level + 1));
    VB_CHECK(write(items[i], level + 1));
  }
  VB_CHECK(new_line(level));
  return add("]");
}

Result<void> JsonTextWriter::object(const Dict& dict, int level) {
  if (dict.entries().empty()) return add("{}");
  std::vector<std::pair<std::string, const Value*>> entries;
  for (const auto& [key, value] : dict.entries()) {
    VB_TRY(std::string text, key_text(key));
    entries.emplace_back(std::move(text), &value);
  }
  if (style.sort_keys)
    std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  VB_CHECK(add("{"));
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i > 0) VB_CHECK(add(style.item_separator));
    VB_CHECK(new_line(level + 1));
    VB_CHECK(add(json_string(entries[i].first, style.ascii)));
    VB_CHECK(add(style.key_separator));
    VB_CHECK(write(*entries[i].second, level + 1));
  }
  VB_CHECK(new_line(level));
  return add("}");
}

Result<void> JsonTextWriter::write(const Value& value, int level) {
  VB_CHECK(budget.steps());
  switch (value.kind()) {
    case Kind::none: return add("null");
    case Kind::boolean: return add(value.truth() ? "true" : "false");
    case Kind::integer: return add(integer_text(value.whole()));
    case Kind::real: return add(json_float(value.real()));
    case Kind::string: return add(json_string(value.text(), style.ascii));
    case Kind::list:
    case Kind::tuple: return array(value.items(), level);
    case Kind::dict: return object(value.dict(), level);
    default: return invalid_input("TypeError: Object of type {} is not JSON serializable", value.type_name());
  }
}

}  // namespace

Result<std::string> to_json_text(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonTextWriter writer{style, budget, {}};
  VB_CHECK(writer.write(value, 0));
  return std::move(writer.out);
}

}  // namespace vauban::jinja
