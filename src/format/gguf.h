/// GGUF: reader of versions 2 and 3, little-endian.
///
/// Follows ggml's rules (model-files.md section 2): counts, strings and arrays are compared with the bytes that remain
/// before anything is allocated; keys and tensor names are unique; `general.alignment` is a u32 power of two; tensor
/// offsets are the running padded sum, and the file ends where the last padded tensor does. Beyond ggml: keys and
/// tensor names are UTF-8 without zero bytes (they are printed and written to JSON), a bool is 0 or 1, nothing follows
/// the data. Errors: unsupported for big-endian files, other versions and tensor types without a decoder; resource for
/// more than 8 million array elements in the metadata; corrupt for the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "format/model_file.h"

namespace vauban {

/// Types of metadata values, by their numbers in the file.
enum class GgufType : std::int32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// How a key was stored, beside its value in the metadata.
struct GgufKeyType {
  std::string name;
  GgufType type = GgufType::u32;
  GgufType element = GgufType::u32;  ///< of an array
};

struct GgufContents {
  std::uint32_t version = 0;
  std::uint32_t alignment = 0;       ///< bytes
  Json metadata;                     ///< object; string values may be any bytes (token lists of some vocabularies)
  std::vector<GgufKeyType> keys;     ///< of the metadata, in file order
  std::vector<TensorEntry> tensors;  ///< in file order; views into the parsed bytes
};
Result<GgufContents> parse_gguf(std::span<const std::byte> bytes);

Result<std::shared_ptr<const ModelFile>> open_gguf(const std::filesystem::path& path);

}  // namespace vauban
