/// The fields of a StageProfile: what each one is, which stages carry it, and whether it is always recorded or costs
/// something and so is recorded only for the stages that a request names (TraceRequest::profile, `--profile STAGES`).
///
/// One table: docs/trace-format.md and `vauban man profile` are written from it, and a test of the local runtime
/// compares it with what traces really carry.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

struct ProfileField {
  std::string_view name;    ///< the JSON key
  std::string_view unit;    ///< "s", "bytes", "count"; empty for words and objects
  bool costs = false;       ///< false: always recorded
  std::string_view stages;  ///< words separated by blanks: the stages whose profiles carry it; "all"
  std::string_view summary;

  bool of(std::string_view stage) const;
};
std::span<const ProfileField> profile_fields();

/// Stages for which some field costs, in order of execution: what a request may name.
std::vector<std::string> profile_stages();

/// "all", or stages separated by commas; blank: none. Sorted by execution.
/// Errors: invalid_input for an unknown stage or one named twice, with the known ones.
Result<std::vector<std::string>> parse_profile_stages(std::string_view text);
/// Errors: the same.
Result<void> check_profile_stages(std::span<const std::string> stages);

/// The table as lines of Markdown, and as plain text for the manual.
std::string profile_fields_markdown();
std::string profile_fields_text();

}  // namespace vauban
