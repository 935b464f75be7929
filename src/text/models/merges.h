/// The merges of a BPE vocabulary as files write them, best first. The one reader of them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace vauban {

using MergePairs = std::vector<std::pair<std::string, std::string>>;

/// "merges" of the model section of a tokenizer.json: pairs, or texts with exactly one space, as the first is. Lines
/// "#version ..." of a merges.txt, which older files carry along, are left out and take no rank, as in the reference.
/// Errors: corrupt, naming the merge.
Result<MergePairs> merges_of_tokenizer_json(const Json& model);

/// "tokenizer.ggml.merges" of a GGUF: texts, cut at the first space behind their first byte (a piece may be a space itself).
/// "#version" lines as above. Errors: corrupt, naming the entry.
Result<MergePairs> merges_of_gguf(const Json& metadata);

}  // namespace vauban
