/// Config text -> config struct, strictly.
///
/// Refused with invalid_input, file, line, column and dotted path: bytes that are not UTF-8 or not TOML, an unknown key
/// anywhere (with a did-you-mean), a missing required key, a key under two spellings, a wrong type, a number out of
/// range, NaN, infinity, a string that is not among the choices. Refused with resource: a text beyond the limits of
/// toml.h.
/// An integer is accepted where a number is wanted; never the reverse. A list given replaces the default list.
/// JSON is read by the same rules; a null there means "not given" where the field is optional.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/config/fields.h"
#include "base/config/node.h"
#include "base/json.h"
#include "base/result.h"

namespace vauban {

struct ReadNote {
  std::string path;  ///< dotted: "data.harmful"
  SourcePos pos;
  std::string text;  ///< the declared note
};

struct ReadNotes {
  std::vector<ReadNote> notes{};     ///< keys that were accepted and ignored
  std::vector<std::string> given{};  ///< dotted paths, canonical spelling, of every key that was read
  bool was_given(std::string_view path) const;
};

/// `value` seen from `folder`: a relative path becomes folder/value, lexically normal. Left alone: an absolute path,
/// "", "-" (standard streams), and anything with a scheme ("http://...").
std::string resolve_path(const std::filesystem::path& folder, std::string_view value);

namespace detail {
Result<void> read_toml(const StructRef& target, std::string_view text, std::string_view file_name, ReadNotes* notes);
Result<void> read_toml_file(const StructRef& target, const std::filesystem::path& path, ReadNotes* notes);
Result<void> read_json(const StructRef& target, const Json& json, std::string_view name, ReadNotes* notes);
}  // namespace detail

/// The whole document is C. `file_name` is for messages, and its folder is where `file` fields are relative to.
template <HasFields C>
Result<C> read_toml(std::string_view text, std::string_view file_name, ReadNotes* notes = nullptr) {
  C config{};
  VB_CHECK(detail::read_toml(detail::struct_ref(config), text, file_name, notes));
  return config;
}

/// Errors: also not_found and io for the file itself.
template <HasFields C>
Result<C> read_toml_file(const std::filesystem::path& path, ReadNotes* notes = nullptr) {
  C config{};
  VB_CHECK(detail::read_toml_file(detail::struct_ref(config), path, notes));
  return config;
}

/// `name` is for messages only: paths are left as they are.
template <HasFields C>
Result<C> from_json(const Json& json, std::string_view name, ReadNotes* notes = nullptr) {
  C config{};
  VB_CHECK(detail::read_json(detail::struct_ref(config), json, name, notes));
  return config;
}

}  // namespace vauban
