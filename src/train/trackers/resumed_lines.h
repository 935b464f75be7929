/// Cuts a log of lines back to the step at which a run goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "base/files.h"
#include "base/result.h"

namespace vauban {

/// Removes the lines from the first one whose step is above `step`, and a torn last line; written in one piece, so a
/// kill leaves the old file or the new one. Nothing happens when the file does not exist. `step_of` gives the step of
/// a line; lines for which it gives -1 (a heading) stay.
/// Errors: those of `step_of`, with the line's number; corrupt when the steps fall before the cut; io.
Result<void> keep_lines_up_to(const std::filesystem::path& path, std::int64_t step,
                              const std::function<Result<std::int64_t>(std::string_view line)>& step_of,
                              FileOps& ops = real_file_ops());

}  // namespace vauban
