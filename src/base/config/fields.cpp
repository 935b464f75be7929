#include "base/config/fields.h"

namespace vauban {

void FieldVisitor::add(std::string_view name, LeafRef target, FieldSpec spec) {
  if (!spec.ignored_note.empty())
    fields_.push_back({std::string(name), std::move(spec), nullptr});
  else
    fields_.push_back({std::string(name), std::move(spec), target});
}

void FieldVisitor::add(std::string_view name, TableRef target, FieldSpec spec) {
  if (!spec.ignored_note.empty())
    fields_.push_back({std::string(name), std::move(spec), nullptr});
  else
    fields_.push_back({std::string(name), std::move(spec), target});
}

void FieldVisitor::ignored(std::string_view name, std::string_view note) {
  fields_.push_back({std::string(name), {.ignored_note = std::string(note)}, nullptr});
}

std::vector<BoundField> fields_of(const StructRef& object) { return object.type->bind(object.object); }

std::vector<std::string> spellings(const BoundField& field) {
  std::vector<std::string> names{field.name};
  names.insert(names.end(), field.spec.aliases.begin(), field.spec.aliases.end());
  return names;
}

}  // namespace vauban
