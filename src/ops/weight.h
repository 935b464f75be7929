/// Weight: an immutable matrix or vector in a backend's hands.
#pragma once

#include <memory>
#include <string>

#include "tensor/tensor.h"

namespace vauban {

struct Weight {
  std::string name;      ///< canonical (Hugging Face) name
  DType dtype = DType::f32;  ///< storage type on disk: what inspect prints
  Shape shape;           ///< (out, in) or (width)
  Tensor tensor;         ///< backend storage: mapped bytes, or prepared ones
  std::shared_ptr<const void> keep_alive;
  bool empty() const { return tensor.empty(); }
};

}  // namespace vauban
