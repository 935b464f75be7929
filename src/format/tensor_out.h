/// TensorOut: a tensor that a writer will ask for when its turn comes, so that only one is in memory at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "tensor/tensor.h"

namespace vauban {

/// Bytes of one tensor: a view of a mapped file, or of memory that `owner` keeps.
struct TensorBytes {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;  ///< may be null for a view that outlives the write

  static TensorBytes own(std::vector<std::byte> memory) {
    auto kept = std::make_shared<const std::vector<std::byte>>(std::move(memory));
    return {.bytes = *kept, .owner = kept};
  }
};

struct TensorOut {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;  ///< row-major, outermost first
  /// Called once, while writing; must give size_bytes(dtype, shape) bytes, which the writer checks.
  std::function<Result<TensorBytes>()> make;
};

/// The bytes of `tensor`, of the promised size. Errors: those of `make`, internal for another size; the name as context.
Result<TensorBytes> make_bytes(const TensorOut& tensor);

/// Errors: invalid_input for a name that two tensors have, corrupt for a shape that does not fit its type.
Result<void> check_tensor_list(const std::vector<TensorOut>& tensors);

}  // namespace vauban
