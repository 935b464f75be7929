/// Row permutations between the orders in which files store attention's projections and the canonical one.
///
/// llama-architecture GGUF files store the rows of each q and k head as RoPE pairs (2i, 2i+1); Hugging Face stores the
/// first elements of all pairs, then the second ones. GPT-NeoX, BLOOM and Falcon folders store a fused projection by
/// head, GGUF files by kind. Whole rows move, so packed quantised rows can be moved as well.
/// Source: model-files.md section 8, "RoPE order".
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/result.h"
#include "model/tensor_map.h"
#include "tensor/tensor.h"

namespace vauban {

struct OwnedView {
  TensorView view;  ///< into *bytes where there are any, else into the file
  std::shared_ptr<const std::vector<std::byte>> bytes;
};

/// The rows of `view`, stored in `order`, in the canonical order; a vector (a bias) counts as rows of one element.
/// interleaved_heads: row h*d + 2j becomes row h*d + j, and row h*d + 2j + 1 becomes row h*d + d/2 + j, for each of `heads`
/// heads of d = rows / heads. grouped_qkv: rows of [key/value head][its query heads, its key, its value] become all query
/// heads, all key heads, all value heads. grouped_qkvz: the same of [key head][its query, its key, its value heads, their gates].
/// Errors: corrupt when the rows do not divide into such heads, or the bytes into rows.
Result<OwnedView> rows_to_canonical(const TensorView& view, RowOrder order, int heads, int kv_heads = 0);
/// The way back. Errors: the same.
Result<OwnedView> rows_from_canonical(const TensorView& view, RowOrder order, int heads, int kv_heads = 0);

}  // namespace vauban
