#include "base/context.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

TEST(CancelToken, TurnsIntoAnErrorOnceCancelled) {
  CancelToken token;
  VB_EXPECT_OK(token.check());
  token.cancel();
  EXPECT_TRUE(token.cancelled());
  EXPECT_EQ(token.check().error().code, ErrorCode::cancelled);
}

TEST(Clock, Iso8601KnowsLeapDaysAndRoundsDown) {
  const auto at = [](std::int64_t ms) { return std::chrono::system_clock::time_point(std::chrono::milliseconds(ms)); };
  EXPECT_EQ(iso8601(at(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(iso8601(at(1709209799'999)), "2024-02-29T12:29:59Z");
  EXPECT_EQ(iso8601(at(-1)), "1969-12-31T23:59:59Z");
  EXPECT_EQ(iso8601(at(951782400'000)), "2000-02-29T00:00:00Z");
}

TEST(Clock, MonotonicNeverGoesBack) {
  const SystemClock clock;
  const auto first = clock.monotonic();
  EXPECT_GE(clock.monotonic(), first);
  EXPECT_GT(clock.utc().time_since_epoch().count(), 0);
}

}  // namespace
}  // namespace vauban
