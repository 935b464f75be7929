/// Arena: the memory of one step's tensors. Nothing is freed inside a step; begin_step() takes everything back, and
/// reading a tensor of an earlier step is caught in debug builds (Storage::epoch).
///
/// After the first steps the arena is one piece of memory and a step of the same size allocates nothing. A guard of NaN
/// bit patterns follows every tensor: a kernel that reads past its input spoils its result, and one that writes past
/// its output is found by guards_intact(). One thread at a time.
#pragma once

#include <cstddef>
#include <vector>

#include "tensor/tensor.h"

namespace vauban::cpu {

class Arena {
 public:
  static constexpr std::size_t kAlignment = 64;
  static constexpr std::size_t kGuardBytes = 64;

  void begin_step();
  /// Uninitialised (NaN patterns in debug builds). Without memory the tensor has its shape and is empty().
  Tensor make(DType dtype, const Shape& shape);
  bool guards_intact() const;
  std::size_t capacity_bytes() const;
  /// The most that the tensors of one step took (guards and rounding included), of the tensors made since the last
  /// call.
  std::size_t take_high_water();

 private:
  struct Chunk final : Storage {
    static Chunk* create(std::size_t size);
    Chunk(std::byte* memory, std::size_t size);
    ~Chunk() override;
    std::byte* data() override { return memory; }
    void reset();
    std::byte* memory;
    std::size_t size, used = 0;
  };
  Chunk* room_for(std::size_t bytes);
  Chunk& chunk(std::size_t i) const { return static_cast<Chunk&>(*chunks_[i].get()); }

  std::size_t used_ = 0, high_water_ = 0;
  std::vector<StorageRef> chunks_;  // the last one is being filled
  std::vector<const std::byte*> guards_;
};

}  // namespace vauban::cpu
