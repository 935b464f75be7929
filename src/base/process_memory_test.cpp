#include "base/process_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace vauban {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

/// Touches every page, so that it is resident, and gives it back: mapped, because a sanitizer's allocator keeps what is freed.
void hold(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  for (std::size_t i = 0; i < bytes; i += 4096) static_cast<volatile char*>(memory)[i] = 1;
  ASSERT_EQ(::munmap(memory, bytes), 0);
}

TEST(ProcessMemory, ThePeakRisesWithWhatIsHeldAndFallsAfterAReset) {
  const auto before = peak_resident_bytes();
  if (!before) GTEST_SKIP() << "/proc/self/status has no VmHWM here";
  hold(96 * kMiB);
  const std::int64_t peak = peak_resident_bytes().value();
  EXPECT_GE(peak, 96 * kMiB);
  if (!reset_peak_resident()) GTEST_SKIP() << "/proc/self/clear_refs cannot be written here";
  EXPECT_LT(peak_resident_bytes().value(), peak - 48 * kMiB) << "what was given back is no longer in the mark";
  hold(64 * kMiB);
  EXPECT_GE(peak_resident_bytes().value(), 64 * kMiB);
}

}  // namespace
}  // namespace vauban
