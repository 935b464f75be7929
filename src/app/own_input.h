/// The file that a command writes is none of those that it reads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

namespace vauban {

/// `inputs`: arguments as they were typed: files, folders with files (a model), `BASE+ADAPTER`; what is empty or no path is
/// passed over. Links and other spellings of a path are seen through. Call before the work starts.
/// Errors: invalid_input when `out` is there and is an input, or a file in one.
Result<void> refuse_own_input(const std::filesystem::path& out, const std::vector<std::string>& inputs);

}  // namespace vauban
