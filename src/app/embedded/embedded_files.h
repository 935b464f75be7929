/// The files that the program carries in itself: the demo model, what was made of it, its suites.
/// src/app/CMakeLists.txt lists them, cmake/VaubanEmbed.cmake writes the source file with their bytes.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace vauban {

struct EmbeddedFile {
  std::string_view path;             ///< "base/model.safetensors"
  std::string_view sha256;           ///< lower-case hex, computed when the program was configured
  std::span<const std::byte> bytes;  ///< for as long as the program runs
};

/// In the order of their paths.
std::span<const EmbeddedFile> embedded_files();
/// SHA-256 over the paths and digests of all of them: another set of files, another value.
std::string_view embedded_digest();

}  // namespace vauban
