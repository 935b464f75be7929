/// What the bytes of a safetensors or GGUF file mean, region by region, from the first byte on.
///
/// Made for looking into files, broken ones too: the walk goes as far as the bytes make sense, and says where and why it
/// ended. Nothing is allocated on the word of a header. Formats: model-files.md sections 1 and 2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"

namespace vauban {

struct FileRegion {
  std::uint64_t begin = 0, end = 0;  ///< bytes [begin, end)
  std::string what;                  ///< "key", "tensor entry", "tensor data", ...
  std::string name;                  ///< of a key or tensor, as stored; else empty
  std::string value;                 ///< short; as stored
};

struct FileMap {
  std::string format;  ///< "safetensors", "gguf", or "" for bytes that are neither
  std::vector<FileRegion> regions;
  std::string problem;  ///< where and why the walk ended; empty: it covers the file
};
FileMap map_of(std::span<const std::byte> bytes);

}  // namespace vauban
