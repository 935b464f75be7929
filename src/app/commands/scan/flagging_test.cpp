#include "app/commands/scan/flagging.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

TEST(Flagging, JoinsNeighboursAboveTheThresholdAndNothingElse) {
  const std::vector<double> values{5, 1, 4, 6, 2, 3.5, 3};
  const std::vector<std::int64_t> positions{0, 1, 2, 3, 4, 5, 6};
  const auto runs = flagged_runs(values, positions, 3);
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].first, 0u);
  EXPECT_EQ(runs[0].last, 0u);
  EXPECT_EQ(runs[1].first, 2u);
  EXPECT_EQ(runs[1].last, 3u);
  EXPECT_EQ(runs[1].peak, 6);
  EXPECT_EQ(runs[1].mean, 5);
  EXPECT_EQ(runs[2].first, 5u) << "3 is not above 3";
  EXPECT_EQ(runs[2].last, 5u);
}

TEST(Flagging, AGapInThePositionsEndsARun) {
  const std::vector<double> values{4, 4, 4};
  const std::vector<std::int64_t> positions{2, 3, 7};
  EXPECT_EQ(flagged_runs(values, positions, 3).size(), 2u);
}

TEST(Flagging, CalibrationTurnsTheMeanIntoZeroAndADeviationIntoOne) {
  const std::vector<double> ordinary{1, 2, 3, 4, 5};
  const auto found = calibrate(ordinary, 2);
  VB_ASSERT_OK(found);
  EXPECT_EQ(found->z(3), 0);
  EXPECT_NEAR(found->z(3 + found->std), 1, 1e-12);
  EXPECT_NEAR(found->std, 1.5811388300841898, 1e-12) << "n - 1";
  const std::vector<double> flat{2, 2, 2}, one{2};
  EXPECT_FALSE(calibrate(flat, 1));
  EXPECT_FALSE(calibrate(one, 1));
}

}  // namespace
}  // namespace vauban
