/// Writing an importance matrix in llama-imatrix's two layouts (model-files.md 7).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace vauban {

/// What was seen of one matrix, or of the experts of one stack.
struct ImportanceEntry {
  std::vector<double> sums;    ///< (experts, columns): sums of the squares of the inputs
  std::vector<double> counts;  ///< (experts): rows that each has seen
};

struct ImportanceSums {
  std::map<std::string, ImportanceEntry> entries;  ///< by GGUF name of the weight
  std::vector<std::string> datasets;
  std::int64_t chunks = 0, chunk_tokens = 0;
};

/// A path that ends in .dat gets the older layout, others GGUF: sums and counts in f32, entries by name.
/// Errors: invalid_input when nothing was seen; those of the file.
Result<void> write_imatrix(const std::filesystem::path& path, const ImportanceSums& sums);

}  // namespace vauban
