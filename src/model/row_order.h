/// Row permutations between the layouts in which files store rotary projections.
///
/// llama-architecture GGUF files store the rows of each q and k head as RoPE pairs (2i, 2i+1); Hugging Face stores the
/// first elements of all pairs, then the second ones. Whole rows move, so packed quantised rows can be moved as well.
/// Source: model-files.md section 8, "RoPE order".
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/result.h"
#include "tensor/tensor.h"

namespace vauban {

struct OwnedView {
  TensorView view;  ///< into *bytes
  std::shared_ptr<const std::vector<std::byte>> bytes;
};

/// Row h*d + 2j of `view` becomes row h*d + j, and row h*d + 2j + 1 becomes row h*d + d/2 + j, for each of `heads`
/// heads of d = rows / heads. A vector (a bias) counts as rows of one element. Errors: corrupt when the rows do not
/// divide into heads of even width, or the bytes into rows.
Result<OwnedView> pairs_to_halves(const TensorView& view, int heads);
/// The way back. Errors: the same.
Result<OwnedView> halves_to_pairs(const TensorView& view, int heads);

}  // namespace vauban
