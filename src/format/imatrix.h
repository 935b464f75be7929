/// ImportanceMatrix: the mean square of the input of each weight's columns, over calibration text, as llama.cpp's
/// `llama-imatrix` writes it.
///
/// Two layouts (model-files.md 7): GGUF with `<weight>.in_sum2` and `<weight>.counts`, and the older .dat. Files are
/// untrusted: every count is compared with the bytes that remain. The order of the divisions follows llama-quantize, so
/// that the weights are its weights bit for bit.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

struct ImportanceMatrix {
  /// By GGUF name ("blk.0.ffn_down.weight"): one value per column, for each expert one after another. Finite, not negative.
  std::map<std::string, std::vector<float>, std::less<>> weights;
  std::vector<std::string> datasets;
  std::int64_t chunks = 0;

  /// Empty where nothing was measured.
  std::span<const float> find(std::string_view weight) const;
};

/// `bytes` of either layout, told apart by GGUF's magic. Errors: corrupt for a damaged file, an entry without its counts or a
/// value that is negative or not finite; not_found for a file without entries.
Result<ImportanceMatrix> parse_imatrix(std::span<const std::byte> bytes);
Result<ImportanceMatrix> open_imatrix(const std::filesystem::path& path);

}  // namespace vauban
