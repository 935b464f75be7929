#include "runtime/local/sampler.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <map>

#include "support/test_data.h"

namespace vauban {
namespace {

using Ids = std::vector<std::int32_t>;

std::vector<float> logs(const std::vector<double>& probabilities) {
  std::vector<float> out;
  for (const double p : probabilities) out.push_back(static_cast<float>(std::log(p)));
  return out;
}

Sampler make_sampler(const Sampling& sampling) { return Sampler(sampling, 7); }

std::map<std::int32_t, double> kept(const Sampling& sampling, const std::vector<float>& logits,
                                    const Ids& history = {}) {
  std::map<std::int32_t, double> out;
  for (const Candidate& c : make_sampler(sampling).distribution(logits, history)) out[c.id] = c.probability;
  return out;
}

const std::vector<float> kHalves = logs({0.5, 0.25, 0.125, 0.125});

TEST(Sampler, GreedyTakesTheLowestIdOnTies) {
  const std::vector<float> logits{1, 3, 3, 2};
  EXPECT_EQ(make_sampler({}).pick(logits, {}, 0)->id, 1);
}

TEST(Sampler, LogSoftmaxSumsToOneAndSurvivesLargeLogits) {
  const std::vector<float> logits{1000, 1001, 1002};
  std::vector<float> out(3);
  log_softmax(logits, out);
  EXPECT_NEAR(out[2], -0.407606, 1e-6);  // -log(1 + e^-1 + e^-2)
  EXPECT_NEAR(std::exp(out[0]) + std::exp(out[1]) + std::exp(out[2]), 1.0, 1e-6);
}

TEST(Sampler, TopKBreaksTiesAtTheBorderById) {
  const auto left = kept({.temperature = 1, .top_k = 3}, kHalves);
  ASSERT_EQ(left.size(), 3u);
  EXPECT_FALSE(left.contains(3));
  EXPECT_NEAR(left.at(0), 0.5 / 0.875, 1e-7);
}

TEST(Sampler, TopPKeepsTheTokenThatCrossesTheBorder) {
  EXPECT_EQ(kept({.temperature = 1, .top_p = 0.6}, kHalves).size(), 2u);
  EXPECT_EQ(kept({.temperature = 1, .top_p = 0.80}, kHalves).size(), 3u);
  EXPECT_EQ(kept({.temperature = 1, .top_p = 1e-9}, kHalves).size(), 1u) << "one token always survives";
  EXPECT_EQ(kept({.temperature = 1, .top_p = 1.0}, kHalves).size(), 4u);
}

TEST(Sampler, MinPIsRelativeToTheLargest) {
  EXPECT_EQ(kept({.temperature = 1, .min_p = 0.3}, kHalves).size(), 2u);
  EXPECT_EQ(kept({.temperature = 1, .min_p = 0.999}, kHalves).size(), 1u);
}

TEST(Sampler, TruncationWorksOnTheTemperedDistribution) {
  // at T = 2 the weights are proportional to sqrt(p): 0.707, 0.5, 0.354, 0.354; 0.3 * 0.707 keeps all four
  EXPECT_EQ(kept({.temperature = 2, .min_p = 0.3}, kHalves).size(), 4u);
}

TEST(Sampler, FiltersRunInTheStatedOrder) {
  // top-k 2 renormalises to (2/3, 1/3) before top-p sees it: 0.66 < 2/3 keeps one; without top-k it would keep two
  EXPECT_EQ(kept({.temperature = 1, .top_k = 2, .top_p = 0.66}, kHalves).size(), 1u);
  EXPECT_EQ(kept({.temperature = 1, .top_p = 0.66}, kHalves).size(), 2u);
}

TEST(Sampler, RepetitionPenaltyDividesPositiveAndMultipliesNegativeLogitsOnce) {
  const std::vector<float> logits{2, 1.5F, -1, -1.5F};
  const Sampling sampling{.repetition_penalty = 2.0};
  EXPECT_EQ(make_sampler(sampling).pick(logits, Ids{0, 0, 0}, 0)->id, 1) << "2 / 2 = 1, not 2 / 8";
  const auto p = kept({.temperature = 1, .repetition_penalty = 2.0}, logits, Ids{2});
  EXPECT_NEAR(p.at(2) / p.at(0), std::exp(-2.0 - 2.0), 1e-6);
}

TEST(Sampler, RepetitionWindowForgetsOldTokens) {
  const std::vector<float> logits{2, 1.5F};
  EXPECT_EQ(make_sampler({.repetition_penalty = 2.0, .repetition_window = 2}).pick(logits, Ids{0, 5, 5}, 0)->id, 0);
  EXPECT_EQ(make_sampler({.repetition_penalty = 2.0, .repetition_window = 3}).pick(logits, Ids{0, 5, 5}, 0)->id, 1);
  EXPECT_EQ(make_sampler({.repetition_penalty = 2.0, .repetition_window = 0}).pick(logits, Ids{0, 5, 5}, 0)->id, 1);
}

double chi_square(const Sampling& sampling, const std::vector<double>& expected, int draws) {
  const std::vector<float> logits = logs(expected);
  const Sampler sampler = make_sampler(sampling);
  std::vector<double> seen(expected.size(), 0);
  for (int i = 0; i < draws; ++i) ++seen[static_cast<std::size_t>(sampler.pick(logits, {}, i)->id)];
  double statistic = 0;
  for (std::size_t i = 0; i < seen.size(); ++i)
    statistic += (seen[i] - expected[i] * draws) * (seen[i] - expected[i] * draws) / (expected[i] * draws);
  return statistic;
}

TEST(Sampler, DrawsFollowTheDistribution) {
  std::vector<double> expected;
  for (int i = 1; i <= 16; ++i) expected.push_back(i / 136.0);
  // 30.578: the 0.99 quantile of chi-square with 15 degrees of freedom (published tables); seeds are fixed
  for (std::uint64_t seed : {1, 2, 3}) EXPECT_LT(chi_square({.temperature = 1, .seed = seed}, expected, 20000), 30.578);
}

TEST(Sampler, TheChiSquareTestSeesAWrongTemperature) {
  std::vector<double> expected;
  for (int i = 1; i <= 16; ++i) expected.push_back(i / 136.0);
  EXPECT_GT(chi_square({.temperature = 1.2, .seed = 1}, expected, 20000), 30.578);
}

TEST(Sampler, DrawsDependOnSeedSampleAndPositionOnly) {
  const std::vector<float> flat(64, 0.0F);
  const auto draw = [&](Sampling sampling) {
    sampling.temperature = 1;
    Ids ids;
    for (int position = 0; position < 16; ++position)
      ids.push_back(make_sampler(sampling).pick(flat, {}, position)->id);
    return ids;
  };
  EXPECT_EQ(draw({.seed = 5}), draw({.seed = 5}));
  EXPECT_NE(draw({.seed = 5}), draw({.seed = 6}));
  EXPECT_NE(draw({.seed = 5}), draw({.seed = 5, .sample = 1}));
}

TEST(Sampler, RefusesBrokenLogits) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const double temperature : {0.0, 1.0}) {
    const Sampler sampler = make_sampler({.temperature = temperature});
    for (const std::vector<float>& bad : {std::vector<float>{0, nan}, {inf, 0}, {-inf, -inf}}) {
      const Result<Pick> pick = sampler.pick(bad, {}, 3);
      ASSERT_FALSE(pick.has_value());
      EXPECT_EQ(pick.error().code, ErrorCode::corrupt);
    }
    EXPECT_EQ(sampler.pick(std::vector<float>{-inf, 0}, {}, 3)->id, 1) << "a masked token is never drawn";
  }
}

TEST(Sampler, SurvivesTinyAndHugeTemperatures) {
  EXPECT_EQ(make_sampler({.temperature = 1e-300}).pick(kHalves, {}, 0)->id, 0);
  EXPECT_NEAR(kept({.temperature = 1e300}, kHalves).at(3), 0.25, 1e-9);
}

}  // namespace
}  // namespace vauban
