/// Which loaded weights belong to which part of a decoder, as its blocks themselves say (model/layer_parts.h).
#pragma once

#include <string>
#include <vector>

#include "app/check/stage.h"
#include "app/check/subject.h"
#include "model/layer_parts.h"

namespace vauban {

struct NormWeight {
  std::string name, kind;  ///< kind: the name without its numbers; norms of a kind are comparable
};
/// Canonical names, in the order of the forward pass.
std::vector<NormWeight> norm_weights(const TensorMap& tensors);
/// Matrices of that part of the layers, sorted by name.
std::vector<std::string> layer_matrices(const CheckSubject& subject, LayerPart part);

/// Finite values, no matrix of zeros, and no rows that stick out in size and that the model would do better without. With
/// `alternatives` off rows that stick out are only told.
void test_matrices(CheckSubject& subject, const std::vector<std::string>& names, Findings& findings);

}  // namespace vauban
