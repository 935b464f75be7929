/// Hugging Face folder: writer. A folder appears under its name only when every file in it is complete.
///
/// Files are made in `.NAME.unfinished` beside the target, then the folder is renamed; after a kill that folder is
/// left, and the next write to the same target removes it.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"
#include "format/safetensors_writer.h"

namespace vauban {

struct HfFolder {
  std::map<std::string, Json> json_files;         ///< "config.json", ...; written indented
  std::map<std::string, std::string> text_files;  ///< any other file, byte for byte
  std::vector<TensorOut> tensors;
  SafetensorsMetadata metadata = {{"format", "pt"}};  ///< of every shard
  std::uint64_t shard_bytes = 5'000'000'000;          ///< above this the weights are split and an index is written
};

/// Errors: invalid_input when `path` exists and is no empty folder, or a file's name has a folder in it; those of
/// stream_safetensors and of writing; that of `check`, which gets the finished folder before it takes its name. On any error
/// nothing is left at `path`.
Result<void> write_hf_folder(const std::filesystem::path& path, const HfFolder& folder, FileOps& ops = real_file_ops(),
                             const std::function<Result<void>(const std::filesystem::path&)>& check = {});

/// Size of all files that write_hf_folder would make, in bytes. Errors: invalid_input, unsupported and resource as there.
Result<std::uint64_t> hf_folder_size_bytes(const HfFolder& folder);

}  // namespace vauban
