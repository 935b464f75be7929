/// Which stored tensors are whose: asked of the blocks themselves, by what each asks a WeightSource for. A new kind of
/// block needs no line here.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/model.h"

namespace vauban {

enum class LayerPart {
  mixer,  ///< attention, or what stands in its place: a recurrence, a convolution
  feed,   ///< MLP or experts
};

/// Canonical names of the tensors of that part in every layer, the norms inside it included.
std::set<std::string> tensors_of(const Architecture& architecture, const ModelConfig& config, LayerPart part);

/// Whether it is the weight of a norm: by what norm_weight_of() makes, a ".weight" that belongs to no matrix, table or
/// convolution. Vectors that are no norm (decay rates, sinks, corrections) carry names of their own without it.
bool is_norm_weight(const TensorSpec& spec);

}  // namespace vauban
