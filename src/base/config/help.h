/// Config struct -> help of a command (one line or two per field) and manual page (everything that is declared).
/// Plain text, wrapped at 80 columns, ends with a newline. Hidden fields are left out.
#pragma once

#include <string>
#include <string_view>

#include "base/config/fields.h"

namespace vauban {

struct HelpInfo {
  std::string name{};         ///< "vauban audit", or the kind of file: "suite file"
  std::string summary{};      ///< one phrase
  std::string description{};  ///< paragraphs, separated by a blank line; may be empty
  bool command = true;      ///< false: a config file, so that keys are shown instead of flags
};

namespace detail {
std::string help_text(const StructType& type, const HelpInfo& info);
std::string man_text(const StructType& type, const HelpInfo& info);
}  // namespace detail

template <HasFields C>
std::string help_text(const HelpInfo& info) {
  return detail::help_text(detail::struct_type<C>(), info);
}
template <HasFields C>
std::string man_text(const HelpInfo& info) {
  return detail::man_text(detail::struct_type<C>(), info);
}

}  // namespace vauban
