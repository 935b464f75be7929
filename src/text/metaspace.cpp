#include "text/metaspace.h"

#include "text/fields.h"

namespace vauban {
namespace {

Result<Metaspace::Prepend> read_prepend(const Json& section) {
  VB_TRY(const std::string name, fields::string_or(section, "prepend_scheme", "always"));
  if (name == "first") return Metaspace::Prepend::first;
  if (name == "never") return Metaspace::Prepend::never;
  if (name == "always") return Metaspace::Prepend::always;
  return corrupt("key 'prepend_scheme': expected first, never or always, found '{}'", name);
}

}  // namespace

Result<Metaspace> read_metaspace(const Json& section) {
  Metaspace out;
  VB_TRY(out.replacement, fields::character(section, "replacement"));
  VB_TRY(out.prepend, read_prepend(section));
  VB_TRY(out.split, fields::boolean_or(section, "split", true));
  VB_TRY(const bool add_prefix_space, fields::boolean_or(section, "add_prefix_space", true));
  if (!add_prefix_space && out.prepend != Metaspace::Prepend::never)
    return corrupt("'add_prefix_space' is false, but 'prepend_scheme' is not 'never'");
  return out;
}

}  // namespace vauban
