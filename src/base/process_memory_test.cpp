#include "base/process_memory.h"

#include <gtest/gtest.h>
#include <vector>

namespace vauban {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

/// Touches every page, so that it is resident, and gives it back.
void hold(std::int64_t bytes) {
  std::vector<char> memory(static_cast<std::size_t>(bytes));
  for (std::size_t i = 0; i < memory.size(); i += 4096) static_cast<volatile char*>(memory.data())[i] = 1;
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
