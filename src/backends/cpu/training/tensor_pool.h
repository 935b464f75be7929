/// TensorPool: memory of a training step's tensors. Each is freed when its last reference goes, and its block serves the
/// next tensor of about that size, so a step of the same shape allocates nothing from the system.
///
/// A guard of NaN bit patterns follows every tensor: a kernel that reads past its input spoils its result, and one that
/// writes past its output is found when the tensor is freed. One thread at a time. Tensors may outlive the pool.
#pragma once

#include <cstddef>
#include <memory>

#include "tensor/tensor.h"

namespace vauban::cpu {

class TensorPool {
 public:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kGuardBytes = 64;

  /// `touched` false: memory is taken but never written, so the system gives no pages for it (rehearsals).
  explicit TensorPool(bool touched = true);
  ~TensorPool();
  TensorPool(const TensorPool&) = delete;
  TensorPool& operator=(const TensorPool&) = delete;

  /// Uninitialised (NaN patterns in debug builds). Without memory the tensor has its shape and is empty().
  Tensor make(DType dtype, const Shape& shape);

  std::size_t held_bytes() const;   ///< taken from the system
  std::size_t live_bytes() const;   ///< in tensors now
  bool guards_intact() const;       ///< of all tensors freed so far

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace vauban::cpu
