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
void* counted_or_null(std::size_t size, std::size_t alignment) noexcept {
  ++vauban::test::allocations;
  const std::size_t rounded = (size / alignment + 1) * alignment;
  return rounded > size ? std::aligned_alloc(alignment, rounded) : nullptr;
}
void* counted(std::size_t size, std::size_t alignment) {
  void* memory = counted_or_null(size, alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}
constexpr std::size_t kDefault = alignof(std::max_align_t);
std::size_t value_of(std::align_val_t alignment) { return static_cast<std::size_t>(alignment); }
}  // namespace

// Every form is replaced: a sanitizer brings its own for those that are not, and then finds new and delete mismatched.
void* operator new(std::size_t n) { return counted(n, kDefault); }
void* operator new[](std::size_t n) { return counted(n, kDefault); }
void* operator new(std::size_t n, std::align_val_t a) { return counted(n, value_of(a)); }
void* operator new[](std::size_t n, std::align_val_t a) { return counted(n, value_of(a)); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return counted_or_null(n, kDefault); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return counted_or_null(n, kDefault); }
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return counted_or_null(n, value_of(a));
}
void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return counted_or_null(n, value_of(a));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
