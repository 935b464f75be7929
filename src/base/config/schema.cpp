#include "base/config/schema.h"

#include <cmath>

#include "base/config/dump.h"
#include "base/config/leaf.h"

namespace vauban {
namespace {

Json bound(double value, ScalarKind kind) {
  const bool whole = std::abs(value) < 0x1p63 && value == std::floor(value);
  if (kind == ScalarKind::integer && whole) return static_cast<std::int64_t>(value);
  return value;
}

Json scalar_schema(const LeafInfo& info, const FieldSpec& spec) {
  static constexpr std::string_view kTypes[] = {"boolean", "integer", "number", "string"};
  Json schema = Json::object({{"type", kTypes[static_cast<std::size_t>(info.kind)]}});
  if (!spec.choices.empty()) schema["enum"] = spec.choices;
  if (info.is_unsigned) schema["minimum"] = bound(0, info.kind);
  if (spec.min) schema["minimum"] = bound(*spec.min, info.kind);
  if (spec.max) schema["maximum"] = bound(*spec.max, info.kind);
  return schema;
}

Json list_of(Json items) { return Json::object({{"type", "array"}, {"items", std::move(items)}}); }

Json leaf_schema(const LeafRef& leaf, const FieldSpec& spec) {
  const LeafInfo info = leaf_info(leaf);
  switch (info.shape) {
    case LeafShape::scalar: return scalar_schema(info, spec);
    case LeafShape::list: return list_of(scalar_schema(info, spec));
    case LeafShape::matrix: return list_of(list_of(scalar_schema(info, spec)));
    case LeafShape::string_map:
      return Json::object({{"type", "object"}, {"additionalProperties", scalar_schema(info, spec)}});
    case LeafShape::free_form: return Json::object();
  }
  return {};
}

std::string description(const FieldSpec& spec) {
  return spec.unit.empty() ? spec.help : format("{} ({})", spec.help, spec.unit);
}

Json struct_schema(const StructType& type);

/// Required keys may lie deeper: a table that cannot be empty is itself required.
bool needs_something(const StructType& type) {
  const std::shared_ptr<void> sample = type.make();
  for (const BoundField& field : fields_of({&type, sample.get()})) {
    if (field.spec.required) return true;
    const TableRef* table = field.table();
    if (table && table->shape == TableShape::single && needs_something(*table->type)) return true;
  }
  return false;
}

bool is_required(const BoundField& field) {
  const TableRef* table = field.table();
  return field.spec.required || (table && table->shape == TableShape::single && needs_something(*table->type));
}

Json field_schema(const BoundField& field) {
  if (field.ignored())
    return Json::object({{"description", "ignored: " + field.spec.ignored_note}, {"deprecated", true}});
  const TableRef* table = field.table();
  Json schema = table ? struct_schema(*table->type) : leaf_schema(*field.leaf(), field.spec);
  if (table && table->shape == TableShape::list) schema = list_of(std::move(schema));
  if (const std::string text = description(field.spec); !text.empty()) schema["description"] = text;
  if (table || field.spec.required) return schema;
  if (const ConfigNode value = leaf_node(*field.leaf()); !value.is_null()) schema["default"] = node_to_json(value);
  return schema;
}

Json requires_key(const std::string& name) { return Json::object({{"required", Json::array({name})}}); }

/// Exactly one spelling of a required key; of any other key at most one.
Json one_spelling(const BoundField& field) {
  Json options = Json::array();
  for (const std::string& name : spellings(field)) options.push_back(requires_key(name));
  if (is_required(field)) return Json::object({{"oneOf", std::move(options)}});
  Json none = Json::object({{"not", Json::object({{"anyOf", options}})}});
  options.push_back(std::move(none));
  return Json::object({{"oneOf", std::move(options)}});
}

Json alias_schema(const BoundField& field, const Json& schema) {
  Json alias = schema;
  alias["description"] = format("the same as {}", field.name);
  alias["deprecated"] = true;
  return alias;
}

Json struct_schema(const StructType& type) {
  const std::shared_ptr<void> sample = type.make();
  Json properties = Json::object();
  Json required = Json::array();
  Json spelling_rules = Json::array();
  for (const BoundField& field : fields_of({&type, sample.get()})) {
    const Json schema = field_schema(field);
    properties[field.name] = schema;
    for (const std::string& alias : field.spec.aliases) properties[alias] = alias_schema(field, schema);
    if (!field.spec.aliases.empty())
      spelling_rules.push_back(one_spelling(field));
    else if (is_required(field))
      required.push_back(field.name);
  }
  Json schema = Json::object({{"type", "object"}, {"additionalProperties", false}, {"properties", properties}});
  if (required.size() > 0) schema["required"] = required;
  if (spelling_rules.size() > 0) schema["allOf"] = spelling_rules;
  return schema;
}

}  // namespace

namespace detail {

Json json_schema(const StructType& type, std::string_view title) {
  Json schema = struct_schema(type);
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  schema["title"] = title;
  return schema;
}

}  // namespace detail
}  // namespace vauban
