#include "evidence/directions/separation_interval.h"

#include <cmath>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "evidence/directions/separation.h"

namespace vauban {
namespace {

std::vector<double> normal(std::size_t count, double mean, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<double> out(count);
  for (double& value : out) value = mean + rng.normal();
  return out;
}

/// Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve": another way to the same width.
double hanley_mcneil_se(double a, double positives, double negatives) {
  const double q1 = a / (2 - a), q2 = 2 * a * a / (1 + a);
  return std::sqrt((a * (1 - a) + (positives - 1) * (q1 - a * a) + (negatives - 1) * (q2 - a * a)) /
                   (positives * negatives));
}

TEST(SeparationInterval, HasTheWidthThatTheFormulaOfHanleyAndMcNeilGives) {
  const std::vector<double> positive = normal(80, 0.8, 1), negative = normal(120, 0, 2);
  const double area = auroc(positive, negative);
  const auto found = bootstrap_separation(positive, negative, {.draws = 4000, .seed = 3});
  ASSERT_TRUE(found.auroc);
  EXPECT_LT(found.auroc->low, area);
  EXPECT_GT(found.auroc->high, area);
  const double expected = 2 * 1.96 * hanley_mcneil_se(area, 80, 120);
  EXPECT_NEAR(found.auroc->high - found.auroc->low, expected, 0.15 * expected)
      << "exponential model against resampling";
  ASSERT_TRUE(found.cohens_d);
  EXPECT_LT(found.cohens_d->low, *cohens_d(positive, negative));
  EXPECT_GT(found.cohens_d->high, *cohens_d(positive, negative));
}

TEST(SeparationInterval, HoldsTheTruthAboutAsOftenAsItSays) {
  int held = 0;
  constexpr int kTrials = 200;
  const double truth = 0.5 * std::erfc(-0.8 / 2);  // P(X > Y) of unit normals 0.8 apart
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto found = bootstrap_separation(normal(40, 0.8, 2000 + trial), normal(40, 0, 9000 + trial),
                                            {.draws = 200, .seed = static_cast<std::uint64_t>(trial)});
    held += found.auroc && found.auroc->low <= truth && truth <= found.auroc->high;
  }
  EXPECT_GE(held, kTrials * 88 / 100);
  EXPECT_LT(held, kTrials) << "an interval that always holds says nothing";
}

TEST(SeparationInterval, IsEmptyWhereItWouldHaveNoWidth) {
  const std::vector<double> high{3, 4, 5, 6}, low{0, 1, 2};
  const auto apart = bootstrap_separation(high, low, {});
  EXPECT_FALSE(apart.auroc) << "every draw has AUROC 1";
  EXPECT_TRUE(apart.cohens_d);
  const std::vector<double> one{3}, other{1};
  EXPECT_FALSE(bootstrap_separation(one, other, {}).cohens_d);
}

TEST(SeparationInterval, DependsOnSeedAndStreamAlone) {
  const std::vector<double> positive = normal(20, 0.5, 1), negative = normal(20, 0, 2);
  const auto first = bootstrap_separation(positive, negative, {.seed = 1}),
             again = bootstrap_separation(positive, negative, {.seed = 1}),
             other = bootstrap_separation(positive, negative, {.seed = 1, .stream = 1});
  EXPECT_EQ(first.cohens_d->low, again.cohens_d->low);
  EXPECT_NE(first.cohens_d->low, other.cohens_d->low);
}

}  // namespace
}  // namespace vauban
