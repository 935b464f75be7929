/// Config struct -> the resolved dump: every field with its value, defaults included, in the order of declaration.
///
/// What is left out: ignored keys, optionals without a value, a null Json. Reading the dump gives an equal struct, as
/// long as the values themselves are ones that the reader accepts.
#pragma once

#include <filesystem>
#include <string>

#include "base/config/fields.h"
#include "base/config/node.h"
#include "base/json.h"

namespace vauban {

/// TOML text of a table node: leaves first, then [tables] and [[arrays of tables]].
std::string toml_text(const ConfigNode& table);

namespace detail {
/// With a `folder`, values of `file` fields are written as seen from it; without one, as they are.
ConfigNode dump_node(const StructRef& source, const std::filesystem::path* folder = nullptr);
}  // namespace detail

template <HasFields C>
std::string to_toml(const C& config) {
  return toml_text(detail::dump_node(detail::struct_ref(config)));
}

/// For a config file that will lie in `folder`: reading it from there finds the same files.
template <HasFields C>
std::string to_toml(const C& config, const std::filesystem::path& folder) {
  return toml_text(detail::dump_node(detail::struct_ref(config), &folder));
}

template <HasFields C>
Json to_json(const C& config) {
  return node_to_json(detail::dump_node(detail::struct_ref(config)));
}

}  // namespace vauban
