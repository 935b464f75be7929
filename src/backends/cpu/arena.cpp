#include "backends/cpu/arena.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

namespace vauban::cpu {
namespace {

constexpr std::size_t kFirstChunk = std::size_t{1} << 20;
constexpr std::uint64_t kLargestTensor = std::uint64_t{1} << 39;  // 512 GiB: more is a mistake, not an activation
constexpr int kGuardByte = 0xff;                                  // all ones is a NaN in f32

std::size_t round_up(std::size_t bytes) {
  return (bytes + Arena::kAlignment - 1) / Arena::kAlignment * Arena::kAlignment;
}

}  // namespace

Arena::Chunk* Arena::Chunk::create(std::size_t size) {
  void* memory = ::operator new (size, std::align_val_t{kAlignment}, std::nothrow);
  return memory ? new Chunk(static_cast<std::byte*>(memory), size) : nullptr;
}

Arena::Chunk::Chunk(std::byte* memory_, std::size_t size_) : memory(memory_), size(size_) { epoch_ = 1; }

Arena::Chunk::~Chunk() { ::operator delete (memory, std::align_val_t{kAlignment}); }

void Arena::Chunk::reset() {
  used = 0;
  ++epoch_;
}

void Arena::begin_step() {
  guards_.clear();
  used_ = 0;
  const std::size_t total = capacity_bytes();
  for (std::size_t i = 0; i < chunks_.size(); ++i) chunk(i).reset();
  if (chunks_.size() <= 1) return;
  Chunk* joined = Chunk::create(total);
  if (!joined) return;  // the pieces serve as well
  chunks_.clear();
  chunks_.emplace_back(joined);
}

Arena::Chunk* Arena::room_for(std::size_t bytes) {
  for (std::size_t i = 0; i < chunks_.size(); ++i)
    if (chunk(i).size - chunk(i).used >= bytes) return &chunk(i);
  Chunk* fresh = Chunk::create(std::max({bytes, kFirstChunk, 2 * capacity_bytes()}));
  if (!fresh) fresh = Chunk::create(bytes);
  if (fresh) chunks_.emplace_back(fresh);
  return fresh;
}

Tensor Arena::make(DType dtype, const Shape& shape) {
  const auto size = size_bytes(dtype, shape);
  if (!size || *size > kLargestTensor) return {dtype, shape, StorageRef()};
  const std::size_t bytes = round_up(static_cast<std::size_t>(*size));
  Chunk* home = room_for(bytes + kGuardBytes);
  if (!home) return {dtype, shape, StorageRef()};
  const std::size_t offset = home->used;
  home->used += bytes + kGuardBytes;
  used_ += bytes + kGuardBytes;
  high_water_ = std::max(high_water_, used_);
  // The rounding belongs to the guard: it starts right behind the last element.
  std::byte* guard = home->memory + offset + *size;
  std::memset(guard, kGuardByte, bytes - *size + kGuardBytes);
  guards_.push_back(guard);
#ifndef NDEBUG
  std::memset(home->memory + offset, kGuardByte, *size);
#endif
  return {dtype, shape, StorageRef(home), offset};
}

bool Arena::guards_intact() const {
  return std::all_of(guards_.begin(), guards_.end(), [](const std::byte* guard) {
    return std::all_of(guard, guard + kGuardBytes, [](std::byte b) { return b == std::byte{kGuardByte}; });
  });
}

std::size_t Arena::take_high_water() { return std::exchange(high_water_, 0); }

std::size_t Arena::capacity_bytes() const {
  std::size_t total = 0;
  for (std::size_t i = 0; i < chunks_.size(); ++i) total += chunk(i).size;
  return total;
}

}  // namespace vauban::cpu
