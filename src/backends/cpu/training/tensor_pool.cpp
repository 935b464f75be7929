#include "backends/cpu/training/tensor_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <new>
#include <vector>

namespace vauban::cpu {
namespace {

constexpr std::uint64_t kLargestTensor = std::uint64_t{1} << 39;  // 512 GiB: more is a mistake, not an activation
constexpr int kGuardByte = 0xff;                                  // all ones is a NaN in f32

/// Block sizes: eight per power of two, so that rows of nearly equal number share blocks and at most 1/8 is wasted.
std::size_t block_size(std::size_t bytes) {
  std::size_t step = TensorPool::kAlignment;
  while (step * 16 < bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::align_val_t alignment_of(std::size_t size) {
  return std::align_val_t{size >= kHugePage ? kHugePage : TensorPool::kAlignment};
}

/// Large blocks ask for huge pages: a product walks rows that lie pages apart. Only pages that are whole in the block can
/// be huge, so none of it costs memory; where the system refuses, ordinary pages serve.
std::byte* take_from_system(std::size_t size) {
  auto* memory = static_cast<std::byte*>(::operator new (size, alignment_of(size), std::nothrow));
  if (memory && size >= kHugePage) ::madvise(memory, size / kHugePage * kHugePage, MADV_HUGEPAGE);
  return memory;
}
void give_to_system(std::byte* memory, std::size_t size) { ::operator delete (memory, alignment_of(size)); }

}  // namespace

struct TensorPool::State {
  std::map<std::size_t, std::vector<std::byte*>> free;  // by block size
  std::size_t held = 0, live = 0;
  bool intact = true, touched = true;

  ~State() {
    for (auto& [size, blocks] : free)
      for (std::byte* block : blocks) give_to_system(block, size);
  }

  std::byte* take(std::size_t size) {
    const auto it = free.find(size);
    if (it != free.end() && !it->second.empty()) {
      std::byte* block = it->second.back();
      it->second.pop_back();
      return block;
    }
    std::byte* block = take_from_system(size);
    if (block) held += size;
    return block;
  }
};

namespace {

class PooledStorage final : public Storage {
 public:
  PooledStorage(std::shared_ptr<TensorPool::State> pool, std::byte* memory, std::size_t size, std::size_t used)
      : pool_(std::move(pool)), memory_(memory), size_(size), used_(used) {}
  ~PooledStorage() override {
    if (pool_->touched)
      pool_->intact = pool_->intact && std::all_of(memory_ + used_, memory_ + used_ + TensorPool::kGuardBytes,
                                                 [](std::byte b) { return b == std::byte{kGuardByte}; });
    pool_->live -= size_;
    pool_->free[size_].push_back(memory_);
  }
  PooledStorage(const PooledStorage&) = delete;
  PooledStorage& operator=(const PooledStorage&) = delete;
  std::byte* data() override { return memory_; }

 private:
  std::shared_ptr<TensorPool::State> pool_;
  std::byte* memory_;
  std::size_t size_, used_;
};

}  // namespace

TensorPool::TensorPool(bool touched) : state_(std::make_shared<State>()) { state_->touched = touched; }
TensorPool::~TensorPool() = default;

Tensor TensorPool::make(DType dtype, const Shape& shape) {
  const auto wanted = size_bytes(dtype, shape);
  if (!wanted || *wanted > kLargestTensor) return {dtype, shape, StorageRef()};
  const auto used = static_cast<std::size_t>(*wanted);
  const std::size_t size = block_size(used + kGuardBytes);
  std::byte* memory = state_->take(size);
  if (!memory) return {dtype, shape, StorageRef()};
  state_->live += size;
  if (state_->touched) {
    std::memset(memory + used, kGuardByte, kGuardBytes);
#ifndef NDEBUG
    std::memset(memory, kGuardByte, used);
#endif
  }
  return {dtype, shape, StorageRef(new PooledStorage(state_, memory, size, used))};
}

std::size_t TensorPool::held_bytes() const { return state_->held; }
std::size_t TensorPool::live_bytes() const { return state_->live; }
bool TensorPool::guards_intact() const { return state_->intact; }

}  // namespace vauban::cpu
