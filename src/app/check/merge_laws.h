/// What training a BPE vocabulary leaves behind, and what a changed merge breaks.
///
/// A trainer appends the product of each merge to the vocabulary as it finds it, so the ids of the products rise along
/// the list, no pair comes twice, and every token longer than its first symbols is the product of a merge. A vocabulary
/// that was put together otherwise breaks such a law in many places, a damaged one in a few: an exception counts as a
/// fault only where few are (one in a hundred, and four of a small vocabulary).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "format/model_source.h"

namespace vauban {

struct MergeTable {
  struct Merge {
    std::string left, right;
    std::int64_t product = -1;  ///< id; -1: not in the vocabulary
  };
  std::vector<Merge> merges;                   ///< the first has precedence
  std::vector<std::string> tokens;             ///< by id
  std::vector<bool> made_elsewhere;            ///< by id: special, added, byte: no merge need make it
};

/// From tokenizer.json or the keys of a GGUF. A table without merges where the vocabulary has none.
Result<MergeTable> read_merges(const ModelSource& source);
/// The merges of a GGUF "llama" vocabulary are its scores: those of ordinary tokens fall as the ids rise.
std::vector<std::string> score_faults(const Json& gguf_metadata);
std::vector<std::string> merge_faults(const MergeTable& table);

}  // namespace vauban
