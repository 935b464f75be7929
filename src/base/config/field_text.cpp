#include "base/config/field_text.h"

#include "base/config/dump.h"
#include "base/config/flags.h"
#include "base/config/leaf.h"
#include "base/strings.h"

namespace vauban {
namespace {

std::string short_type(const LeafInfo& info) {
  static constexpr std::string_view kNames[] = {"true|false", "integer", "number", "string"};
  const std::string_view name = kNames[static_cast<std::size_t>(info.kind)];
  switch (info.shape) {
    case LeafShape::scalar: return std::string(name);
    case LeafShape::list: return format("[{}, ...]", name);
    case LeafShape::matrix: return format("[[{}, ...], ...]", name);
    case LeafShape::string_map: return "{ key = string, ... }";
    case LeafShape::free_form: return "any value";
  }
  return {};
}

/// As TOML writes it; "" where a default says nothing: empty text, an empty list, a flag that is off.
std::string default_text(const LeafRef& leaf) {
  const ConfigNode value = leaf_node(leaf);
  if (value.is_null()) return {};
  const std::string line = toml_text({ConfigNode::Table{{"x", value, {}}}, {}});
  const std::string text(trim(std::string_view(line).substr(line.find('=') + 1)));
  const bool empty = text == "\"\"" || text == "[]" || text == "false" || line.starts_with('[');
  return empty ? "" : text;
}

std::string kind_metavar(const LeafInfo& info) {
  switch (info.kind) {
    case ScalarKind::boolean: return "BOOL";
    case ScalarKind::integer: return "N";
    case ScalarKind::number: return "X";
    case ScalarKind::string: return "TEXT";
  }
  return {};
}

}  // namespace

std::string metavar_of(const BoundField& field) {
  if (!field.spec.metavar.empty()) return field.spec.metavar;
  if (field.spec.positional) {
    std::string name = field.name;
    for (char& c : name)
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return name;
  }
  if (!field.leaf()) return {};
  const LeafInfo info = leaf_info(*field.leaf());
  const std::string one = field.spec.file ? "FILE" : kind_metavar(info);
  return info.shape == LeafShape::list ? one + ",..." : one;
}

std::string flag_usage(const BoundField& field) {
  const std::string flag = flag_of(field);
  const std::string both = field.spec.short_name ? format("-{}, {}", field.spec.short_name, flag) : flag;
  if (leaf_info(*field.leaf()).kind != ScalarKind::boolean) return both + " " + metavar_of(field);
  if (!flag.starts_with("--")) return both;
  return both.substr(0, both.size() - flag.size()) + "--[no-]" + flag.substr(2);
}

std::string key_usage(const BoundField& field, const std::string& parent) {
  const std::string path = parent.empty() ? field.name : parent + "." + field.name;
  if (const TableRef* table = field.table())
    return table->shape == TableShape::list ? format("[[{}]]", path) : format("[{}]", path);
  if (!field.leaf()) return field.name;
  return format("{} = {}", field.name, short_type(leaf_info(*field.leaf())));
}

std::string constraints(const BoundField& field) {
  if (field.ignored()) return {};
  std::vector<std::string> parts;
  if (field.spec.required) parts.push_back("required");
  if (const LeafRef* leaf = field.leaf()) {
    const std::string range = range_phrase(field.spec, leaf_info(*leaf).kind);
    if (!range.empty()) parts.push_back(range);
    if (range.empty() && !field.spec.unit.empty()) parts.push_back("in " + field.spec.unit);
    if (!field.spec.choices.empty()) parts.push_back(choices_phrase(field.spec));
    const std::string value = field.spec.required ? "" : default_text(*leaf);
    if (!value.empty()) parts.push_back("default " + value);
  }
  return parts.empty() ? "" : "(" + join(parts, "; ") + ")";
}

}  // namespace vauban
