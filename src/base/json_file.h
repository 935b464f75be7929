/// JSON files: read with a size limit, written pretty and in one piece.
#pragma once

#include <cstddef>
#include <filesystem>

#include "base/files.h"
#include "base/json.h"

namespace vauban {

/// Errors: those of read_file and Json::parse, with the file named.
Result<Json> read_json_file(const std::filesystem::path& path, std::size_t limit_bytes = std::size_t{1} << 30);

/// Indented by 2, one newline at the end; the old file stays when anything fails.
Result<void> write_json_file(const std::filesystem::path& path, const Json& value, FileOps& ops = real_file_ops());

}  // namespace vauban
