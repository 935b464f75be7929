/// safetensors: reader of single files and of sharded models.
///
/// Refuses what the reference implementation refuses (model-files.md section 1): a header that is too small, above
/// 100,000,000 bytes, longer than the file, no UTF-8 JSON object or with a repeated key; an unknown dtype; tensors that
/// overlap, leave a hole, do not fit their shape or do not end with the file. Keys of a tensor's entry other than
/// dtype, shape and data_offsets are ignored, as there. Sizes above rank 8 are `unsupported`; everything else is
/// `corrupt`.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "format/model_file.h"

namespace vauban {

struct SafetensorsContents {
  std::vector<TensorEntry> tensors;  ///< in the order of the data; views into the parsed bytes, at any alignment
  Json metadata;                     ///< `__metadata__`: an object of strings, empty where absent
};
Result<SafetensorsContents> parse_safetensors(std::span<const std::byte> bytes);

/// `model.safetensors.index.json`: which shard holds each tensor.
struct SafetensorsIndex {
  std::map<std::string, std::string, std::less<>> weight_map;  ///< tensor name -> plain file name
  std::optional<std::int64_t> total_size;                      ///< bytes of all tensors
};
Result<SafetensorsIndex> parse_safetensors_index(std::string_view text);

Result<std::shared_ptr<const ModelFile>> open_safetensors(const std::filesystem::path& path);

/// The shards lie beside the index. Each holds exactly the tensors that the index gives it, and `total_size` is their
/// sum. Metadata of the shards is joined; a key whose values differ is kept once per shard as "key@file name".
Result<std::shared_ptr<const ModelFile>> open_safetensors_index(const std::filesystem::path& path);

}  // namespace vauban
