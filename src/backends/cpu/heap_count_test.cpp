/// Replaces the global operator new of this test program with one that counts: the only way to see an allocation that a
/// library makes. Without gtest, whose inlined new and delete the compiler would match against these.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace vauban::test {
namespace {
std::atomic<long> allocations{0};
}
long heap_allocations() { return allocations.load(); }
}  // namespace vauban::test

namespace {
void* counted(std::size_t size, std::size_t alignment) {
  ++vauban::test::allocations;
  const std::size_t rounded = (size / alignment + 1) * alignment;
  void* memory = rounded > size ? std::aligned_alloc(alignment, rounded) : nullptr;
  if (!memory) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new[](std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) { return counted(size, static_cast<std::size_t>(alignment)); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return counted(size, static_cast<std::size_t>(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
