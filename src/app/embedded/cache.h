/// Writing files out into a cache folder of the user.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/embedded/embedded_files.h"
#include "base/result.h"

namespace vauban {

/// Where a cache may be, best first: from XDG_CACHE_HOME, HOME and the place for temporary files. The only reader of
/// these variables.
std::vector<std::filesystem::path> cache_places();

/// Sees to it that `place`/`name` holds exactly these bytes under these names, and returns that folder.
/// Errors: io; invalid_input where `place` is not the user's own.
Result<std::filesystem::path> write_cached(const std::filesystem::path& place, std::string_view name,
                                           std::span<const EmbeddedFile> files);

/// The same in the first of cache_places() where it succeeds. Errors: io, with what went wrong at each.
Result<std::filesystem::path> cached_files(std::string_view name, std::span<const EmbeddedFile> files);

}  // namespace vauban
