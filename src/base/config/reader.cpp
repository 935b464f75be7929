#include "base/config/reader.h"

#include <algorithm>

#include "base/config/leaf.h"
#include "base/config/toml.h"
#include "base/files.h"
#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::size_t kListedKeys = 12;  // in a hint

/// How a key is shown in a path: as TOML writes it.
std::string shown_key(std::string_view key) {
  return is_bare_key(key) ? printable(key, 60) : format("\"{}\"", printable(key, 60));
}

std::string below(const std::string& path, std::string_view key) {
  return path.empty() ? shown_key(key) : path + "." + shown_key(key);
}

std::vector<std::string> all_spellings(const std::vector<BoundField>& fields) {
  std::vector<std::string> names;
  for (const BoundField& field : fields)
    for (std::string& name : spellings(field)) names.push_back(std::move(name));
  return names;
}

std::string unknown_key_hint(std::string_view key, const std::vector<BoundField>& fields) {
  const std::string near = did_you_mean(printable(key, 60), all_spellings(fields));
  if (!near.empty()) return format("did you mean '{}'?", near);
  std::vector<std::string> names;
  for (const BoundField& field : fields)
    if (!field.spec.hidden && !field.ignored()) names.push_back(field.name);
  if (names.empty() || names.size() > kListedKeys) return {};
  return "known here: " + join(names, ", ");
}

class StructReader {
 public:
  StructReader(std::string_view file, const std::filesystem::path* folder, ReadNotes* notes)
      : file_(file), folder_(folder), notes_(notes) {}

  Result<void> read(const StructRef& target, const ConfigNode& node, const std::string& path) {
    const ConfigNode::Table* entries = node.table();
    if (!entries) return wrong_type(path, node, "a table");
    const std::vector<BoundField> fields = fields_of(target);
    VB_TRY(const std::vector<const ConfigEntry*> found, match(fields, *entries, path));
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (found[i])
        VB_CHECK(read_field(fields[i], *found[i], below(path, fields[i].name)));
      else
        VB_CHECK(check_absent(fields[i], node, below(path, fields[i].name)));
    }
    return ok();
  }

 private:
  /// The entry of each field, or nullptr; refuses entries that no field, or one field twice, asks for.
  Result<std::vector<const ConfigEntry*>> match(const std::vector<BoundField>& fields, const ConfigNode::Table& entries,
                                                const std::string& path) const {
    std::vector<const ConfigEntry*> found(fields.size());
    for (const ConfigEntry& entry : entries) {
      const auto known = std::ranges::find_if(fields, [&](const BoundField& field) {
        return field.name == entry.key || std::ranges::find(field.spec.aliases, entry.key) != field.spec.aliases.end();
      });
      if (known == fields.end())
        return with_hint(at(entry.key_pos, format("unknown key '{}'", below(path, entry.key))),
                         unknown_key_hint(entry.key, fields));
      const ConfigEntry*& slot = found[static_cast<std::size_t>(known - fields.begin())];
      if (slot)
        return with_hint(at(entry.key_pos, format("key '{}' is given twice: as '{}' and as '{}'",
                                                  below(path, known->name), slot->key, entry.key)),
                         format("keep '{}'", known->name));
      slot = &entry;
    }
    return found;
  }

  Result<void> read_field(const BoundField& field, const ConfigEntry& entry, const std::string& path) {
    if (field.ignored()) {
      if (notes_) notes_->notes.push_back({path, entry.key_pos, field.spec.ignored_note});
      return ok();
    }
    if (notes_) notes_->given.push_back(path);
    if (const TableRef* table = field.table()) return read_tables(*table, entry.value, path);
    const std::optional<ValueFault> fault = assign_leaf(*field.leaf(), entry.value, field.spec);
    if (fault)
      return with_hint(at(fault->pos, format("key '{}{}': {}", path, fault->where, fault->message)), fault->hint);
    if (is_empty_path(field))
      return with_hint(at(entry.value.pos, format("key '{}': expected a path, found an empty string", path)),
                       field.spec.required ? "" : "leave the key out");
    if (field.spec.file && folder_)
      map_strings(*field.leaf(), [&](const std::string& value) { return resolved(field.spec, value); });
    return ok();
  }

  /// It would mean the folder of the file. One that need not be given keeps its meaning of none.
  static bool is_empty_path(const BoundField& field) {
    const bool may_be_none = !field.spec.required && !leaf_info(*field.leaf()).optional;
    bool empty = false;
    if (field.spec.file && !may_be_none)
      map_strings(*field.leaf(), [&](const std::string& value) {
        empty = empty || value.empty();
        return value;
      });
    return empty;
  }

  std::string resolved(const FieldSpec& spec, const std::string& value) const {
    std::string path = resolve_path(*folder_, value);
    std::error_code ignored;
    const bool name = spec.is_name && spec.is_name(value) && !std::filesystem::exists(path, ignored);
    return name ? value : path;
  }

  Result<void> read_tables(const TableRef& tables, const ConfigNode& node, const std::string& path) {
    tables.clear(tables.holder);
    if (tables.shape == TableShape::optional && node.is_null()) return ok();
    if (tables.shape != TableShape::list) return read({tables.type, tables.append(tables.holder)}, node, path);
    const ConfigNode::Array* items = node.array();
    if (!items) return wrong_type(path, node, "a list of tables");
    for (std::size_t i = 0; i < items->size(); ++i)
      VB_CHECK(read({tables.type, tables.append(tables.holder)}, (*items)[i], format("{}[{}]", path, i)));
    return ok();
  }

  /// A table that must be there may still leave out everything, unless something in it is required.
  Result<void> check_absent(const BoundField& field, const ConfigNode& parent, const std::string& path) {
    if (field.spec.required) {
      std::string others = field.spec.aliases.empty() ? "" : format(" (or '{}')", join(field.spec.aliases, "', '"));
      return with_hint(at(parent.pos, format("missing required key '{}'{}", path, others)), field.spec.help);
    }
    const TableRef* table = field.table();
    if (!table || table->shape != TableShape::single) return ok();
    return read({table->type, table->holder}, ConfigNode{ConfigNode::Table{}, parent.pos}, path);
  }

  Error wrong_type(const std::string& path, const ConfigNode& node, std::string_view wanted) const {
    const std::string where = path.empty() ? "" : format("key '{}': ", path);
    return at(node.pos, format("{}expected {}, found {}", where, wanted, describe_node(node)));
  }

  Error at(SourcePos pos, const std::string& message) const {
    if (pos.line == 0) return invalid_input("{}: {}", file_, message);
    return invalid_input("{}:{}:{}: {}", file_, pos.line, pos.column, message);
  }

  std::string_view file_;
  const std::filesystem::path* folder_;
  ReadNotes* notes_;
};

}  // namespace

bool ReadNotes::was_given(std::string_view path) const { return std::ranges::find(given, path) != given.end(); }

std::string resolve_path(const std::filesystem::path& folder, std::string_view value) {
  const std::filesystem::path path(value);
  const bool stays = value.empty() || value == "-" || value.find("://") != std::string_view::npos || path.is_absolute();
  return stays || folder.empty() ? std::string(value) : (folder / path).lexically_normal().string();
}

namespace detail {

Result<void> read_toml(const StructRef& target, std::string_view text, std::string_view file_name, ReadNotes* notes) {
  VB_TRY(const ConfigNode document, parse_toml(text, file_name));
  const std::filesystem::path folder = std::filesystem::path(file_name).parent_path();
  return StructReader(file_name, &folder, notes).read(target, document, "");
}

Result<void> read_toml_file(const StructRef& target, const std::filesystem::path& path, ReadNotes* notes) {
  VB_TRY(const std::string text, read_file(path, kMaxTomlBytes));
  return read_toml(target, text, path.string(), notes);
}

Result<void> read_json(const StructRef& target, const Json& json, std::string_view name, ReadNotes* notes) {
  return StructReader(name, nullptr, notes).read(target, node_from_json(json), "");
}

}  // namespace detail
}  // namespace vauban
