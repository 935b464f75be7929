#include "base/config/dump.h"

#include "base/config/leaf.h"

namespace vauban {
namespace {

/// `value` as a file in `folder` would write it, so that reading it there gives back the same file.
std::string seen_from(const std::filesystem::path& folder, const FieldSpec& spec, const std::string& value) {
  const std::filesystem::path path(value);
  const bool stays = value.empty() || value == "-" || value.find("://") != std::string::npos || path.is_absolute();
  std::error_code ignored;
  const bool name = spec.is_name && spec.is_name(value) && !std::filesystem::exists(path, ignored);
  if (stays || name || folder.empty()) return value;
  const std::filesystem::path relative = path.lexically_normal().lexically_relative(folder.lexically_normal());
  return relative.empty() ? std::filesystem::absolute(path).lexically_normal().string() : relative.string();
}

ConfigNode seen_from(const std::filesystem::path& folder, const FieldSpec& spec, ConfigNode node) {
  if (auto* text = std::get_if<std::string>(&node.value)) *text = seen_from(folder, spec, *text);
  if (auto* items = std::get_if<ConfigNode::Array>(&node.value))
    for (ConfigNode& item : *items) item = seen_from(folder, spec, std::move(item));
  return node;
}

ConfigNode tables_node(const TableRef& tables, const std::filesystem::path* folder) {
  const std::size_t count = tables.count(tables.holder);
  if (tables.shape != TableShape::list)
    return count == 0 ? ConfigNode{} : detail::dump_node({tables.type, tables.at(tables.holder, 0)}, folder);
  ConfigNode::Array items;
  for (std::size_t i = 0; i < count; ++i)
    items.push_back(detail::dump_node({tables.type, tables.at(tables.holder, i)}, folder));
  return {std::move(items), {}};
}

ConfigNode field_node(const BoundField& field, const std::filesystem::path* folder) {
  if (field.ignored()) return {};
  if (const TableRef* tables = field.table()) return tables_node(*tables, folder);
  ConfigNode node = leaf_node(*field.leaf());
  return field.spec.file && folder ? seen_from(*folder, field.spec, std::move(node)) : node;
}

}  // namespace

namespace detail {

ConfigNode dump_node(const StructRef& source, const std::filesystem::path* folder) {
  ConfigNode::Table entries;
  for (const BoundField& field : fields_of(source)) {
    ConfigNode node = field_node(field, folder);
    if (!node.is_null()) entries.push_back({field.name, std::move(node), {}});
  }
  return {std::move(entries), {}};
}

}  // namespace detail
}  // namespace vauban
