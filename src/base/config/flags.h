/// Command line arguments -> config struct.
///
/// Scalar and list fields are flags: `--max-tokens 8`, `--max-tokens=8`, `--json`, `--no-json`. A list is comma
/// separated, repeated, or both; `\,` is a comma inside an item. Positional fields take the bare arguments in the order
/// of declaration; a list there takes all that remain. After `--` everything is a bare argument. Tables, maps, matrices
/// and free-form values are set in config files only.
/// Errors: invalid_input for an unknown flag (with a did-you-mean), a missing or extra argument, a flag given twice,
/// text that is not UTF-8, and whatever the config reader refuses (type, range, choices). Nothing is thrown.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/config/fields.h"
#include "base/result.h"

namespace vauban {

struct FlagStyle {
  std::string program = "vauban";  ///< for messages: "vauban audit"
  bool check_required = true;      ///< false when a config file has already filled the struct
};

struct ParsedFlags {
  bool help = false;               ///< `--help` or `-h` was given: the config is untouched, print help_text
  std::vector<std::string> given{};  ///< names of the fields that were set, in the order of declaration
  bool was_given(std::string_view name) const;
};

namespace detail {
Result<ParsedFlags> parse_flags(const StructRef& target, std::span<const std::string> args, const FlagStyle& style);
}  // namespace detail

/// Fills `config`. After an error it may be partly filled.
template <HasFields C>
Result<ParsedFlags> parse_flags(C& config, std::span<const std::string> args, const FlagStyle& style = {}) {
  return detail::parse_flags(detail::struct_ref(config), args, style);
}

/// "--max-tokens"; empty for a field that is not a flag (positional, table, map, ignored ...).
std::string flag_of(const BoundField& field);
/// flag_of, the short name, the aliases, and the `--no-` form of each for a bool; empty where flag_of is.
std::vector<std::string> flag_spellings(const BoundField& field);

}  // namespace vauban
