/// safetensors: writer. Equal tensors and metadata give equal bytes, those of the reference library.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"
#include "format/tensor_out.h"
#include "tensor/tensor.h"

namespace vauban {

struct NamedTensorView {
  std::string name;
  TensorView view;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

/// Writes beside `path` and renames, so that the old file stays intact on any failure; it may be mapped meanwhile.
/// Order: by type (the widest first), then by name; the header is padded with spaces to a multiple of 8. Any element
/// values are kept, NaN too.
/// Errors: invalid_input (a repeated or reserved name, text that is not UTF-8, bytes that do not fit the shape),
/// unsupported (a block type, which this format lacks), resource (a header above 100,000,000 bytes), io.
Result<void> write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensorView>& tensors,
                               const SafetensorsMetadata& metadata = {}, FileOps& ops = real_file_ops());

/// What stands before the data in a file of these tensors: the length of the header, and the header. Errors: those above
/// but io.
Result<std::string> safetensors_head(const std::vector<NamedTensorView>& tensors, const SafetensorsMetadata& metadata = {});
Result<std::string> safetensors_head(const std::vector<TensorOut>& tensors, const SafetensorsMetadata& metadata = {});

/// write_safetensors for tensors that are made one at a time, while writing.
Result<void> stream_safetensors(const std::filesystem::path& path, const std::vector<TensorOut>& tensors,
                                const SafetensorsMetadata& metadata = {}, FileOps& ops = real_file_ops());

}  // namespace vauban
