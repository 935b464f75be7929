/// What a test asks of every config struct: that its declaration does not contradict itself.
#include <set>

#include "base/config/flags.h"
#include "base/config/leaf.h"

namespace vauban {
namespace {

Result<void> check_default(const BoundField& field, const LeafRef& leaf) {
  const ConfigNode value = leaf_node(leaf);
  if (field.spec.required || value.is_null()) return ok();
  const std::optional<ValueFault> fault = assign_leaf(leaf, value, field.spec);
  if (fault) return internal("field '{}': the reader would refuse its default: {}", field.name, fault->message);
  return ok();
}

Result<void> check_leaf(const BoundField& field, const LeafRef& leaf) {
  const LeafInfo info = leaf_info(leaf);
  const FieldSpec& spec = field.spec;
  const bool free = info.shape == LeafShape::free_form;
  const bool numeric = !free && (info.kind == ScalarKind::integer || info.kind == ScalarKind::number);
  const bool text = !free && info.kind == ScalarKind::string;
  const bool simple = info.shape == LeafShape::scalar || info.shape == LeafShape::list;
  if ((spec.min || spec.max) && !numeric) return internal("field '{}': a range needs a number", field.name);
  if (!spec.choices.empty() && !text) return internal("field '{}': choices need a string", field.name);
  if (spec.is_name && !spec.file) return internal("field '{}': only a file can be named", field.name);
  if (spec.file && !(text && simple)) return internal("field '{}': a file needs a string", field.name);
  if (spec.positional && (!simple || info.kind == ScalarKind::boolean))
    return internal("field '{}': this type cannot be a bare argument", field.name);
  return check_default(field, leaf);
}

Result<void> check_unique(std::set<std::string>& seen, std::string name, const BoundField& field) {
  if (seen.insert(name).second) return ok();
  return internal("field '{}': '{}' is already taken in this struct", field.name, name);
}

Result<void> check_names(const BoundField& field, std::set<std::string>& keys, std::set<std::string>& flags) {
  for (std::string& name : spellings(field)) VB_CHECK(check_unique(keys, std::move(name), field));
  for (std::string& flag : flag_spellings(field)) VB_CHECK(check_unique(flags, std::move(flag), field));
  return ok();
}

Result<void> check_field(const BoundField& field) {
  if (field.spec.help.empty() && !field.ignored()) return internal("field '{}': no help", field.name);
  if (const LeafRef* leaf = field.leaf()) return check_leaf(field, *leaf);
  if (const TableRef* table = field.table()) {
    if (field.spec.positional) return internal("field '{}': a table cannot be a bare argument", field.name);
    VB_CHECK(detail::check_declaration(*table->type), "in table '{}'", field.name);
  }
  return ok();
}

}  // namespace

namespace detail {

Result<void> check_declaration(const StructType& type) {
  const std::shared_ptr<void> sample = type.make();
  std::set<std::string> keys;
  std::set<std::string> flags{"--help", "-h"};
  for (const BoundField& field : fields_of({&type, sample.get()})) {
    VB_CHECK(check_names(field, keys, flags));
    VB_CHECK(check_field(field));
  }
  return ok();
}

}  // namespace detail
}  // namespace vauban
