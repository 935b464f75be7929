#include "evidence/usl.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "support/test_data.h"

namespace vauban {
namespace {

/// trace-contract 8.
constexpr UslParameters kLaw{.lambda = 100, .sigma = 0.05, .kappa = 0.001};
const std::vector<double> kLoads{1, 2, 4, 8, 16, 31, 48};

/// `samples` throughputs at each load, with a relative error of that standard deviation.
std::vector<UslPoint> measured(const UslParameters& law, const std::vector<double>& loads, double noise, int samples,
                               std::uint64_t seed) {
  Rng rng(seed);
  std::vector<UslPoint> points;
  for (const double n : loads) {
    UslPoint point{.n = n, .throughput = {}};
    for (int i = 0; i < samples; ++i) point.throughput.push_back(usl_throughput(law, n) * (1 + noise * rng.normal()));
    points.push_back(std::move(point));
  }
  return points;
}

TEST(Usl, GivesThePublishedCheckVector) {
  EXPECT_NEAR(usl_throughput(kLaw, 1), 100, 1e-8);
  EXPECT_NEAR(usl_throughput(kLaw, 2), 190.11406844, 1e-8);
  EXPECT_NEAR(usl_throughput(kLaw, 8), 568.99004267, 1e-8);
  EXPECT_NEAR(usl_throughput(kLaw, 31), 903.79008746, 1e-8);
  EXPECT_NEAR(usl_peak(kLaw).value(), 30.82207, 1e-5);
}

TEST(Usl, ExactDataGiveTheParametersBack) {
  for (const UslParameters& law : {kLaw, UslParameters{7e5, 0, 0.002}, UslParameters{0.3, 0.4, 0.0008}}) {
    const auto fit = fit_usl(measured(law, kLoads, 0, 5, 1));
    VB_ASSERT_OK(fit);
    EXPECT_NEAR(fit->lambda.value, law.lambda, 1e-6 * law.lambda);
    EXPECT_NEAR(fit->sigma.value, law.sigma, 1e-6);
    EXPECT_NEAR(fit->kappa.value, law.kappa, 1e-6);
    EXPECT_LT(fit->rms_relative_error, 1e-9);
    ASSERT_EQ(fit->reason, "");
    EXPECT_NEAR(fit->peak->value, *usl_peak(law), 1e-3);
  }
}

TEST(Usl, TheOrderOfPointsDoesNotMatterAndASeedGivesTheSameIntervals) {
  std::vector<UslPoint> points = measured(kLaw, kLoads, 0.02, 5, 3);
  const auto fit = fit_usl(points, {.seed = 9});
  std::ranges::reverse(points);
  const auto again = fit_usl(points, {.seed = 9});
  VB_ASSERT_OK(fit);
  VB_ASSERT_OK(again);
  EXPECT_EQ(to_json(*fit, "rate"), to_json(*again, "rate"));
  EXPECT_NE(fit_usl(points, {.seed = 10})->kappa.low, fit->kappa.low);
}

/// A point at 900 tokens/s must not outweigh one at 100: no neighbour of the fit has smaller relative errors.
TEST(Usl, TheFitHasTheLeastRelativeErrors) {
  const std::vector<UslPoint> points = measured(kLaw, kLoads, 0.05, 5, 11);
  const auto fit = fit_usl(points, {.resamples = 100});
  VB_ASSERT_OK(fit);
  const auto error = [&](const UslParameters& law) {
    double sum = 0;
    for (const UslPoint& point : points) {
      double total = 0;
      for (const double x : point.throughput) total += x;
      const double mean = total / static_cast<double>(point.throughput.size());
      const double relative = usl_throughput(law, point.n) / mean - 1;
      sum += relative * relative;
    }
    return sum;
  };
  const double lambda = fit->lambda.value, sigma = fit->sigma.value, kappa = fit->kappa.value;
  const double least = error({lambda, sigma, kappa});
  for (const double scale : {0.999, 1.001}) {
    EXPECT_LT(least, error({lambda * scale, sigma, kappa})) << scale;
    EXPECT_LT(least, error({lambda, sigma * scale, kappa})) << scale;
    EXPECT_LT(least, error({lambda, sigma, kappa * scale})) << scale;
  }
}

/// 200 experiments of 5 samples with 3 % noise. An interval of 95 % that covers in fewer than 88 % or in all of them is
/// wrong; the binomial error of the rate is 1.5 % (standard deviation).
TEST(Usl, IntervalsCoverTheTruthAboutAsOftenAsTheySay) {
  constexpr int kExperiments = 200;
  int lambda = 0, sigma = 0, kappa = 0;
  for (int i = 0; i < kExperiments; ++i) {
    const auto fit = fit_usl(measured(kLaw, kLoads, 0.03, 5, 1000 + static_cast<std::uint64_t>(i)), {.resamples = 400});
    VB_ASSERT_OK(fit);
    const auto covers = [](const UslEstimate& e, double truth) { return e.low <= truth && truth <= e.high; };
    lambda += covers(fit->lambda, kLaw.lambda);
    sigma += covers(fit->sigma, kLaw.sigma);
    kappa += covers(fit->kappa, kLaw.kappa);
  }
  for (const int covered : {lambda, sigma, kappa}) {
    EXPECT_GE(covered, kExperiments * 88 / 100);
    EXPECT_LT(covered, kExperiments);
  }
  RecordProperty("lambda", lambda);
  RecordProperty("sigma", sigma);
  RecordProperty("kappa", kappa);
}

/// Redraws of n samples have (n - 1) / n of the variance of their mean, which the scaling gives back: the standard error
/// from 2 samples is sqrt(31) times that from 32 of the same spread. Without the scaling it would be 4 times.
TEST(Usl, IntervalsFromTwoSamplesAreAsWideAsTheyMustBe) {
  const auto width = [](int copies) {
    std::vector<UslPoint> points;
    for (const double n : kLoads) {
      UslPoint point{.n = n, .throughput = {}};
      for (int i = 0; i < copies; ++i)
        for (const double noise : {0.99, 1.01}) point.throughput.push_back(noise * usl_throughput(kLaw, n));
      points.push_back(std::move(point));
    }
    const auto fit = fit_usl(points, {.resamples = 2000});
    EXPECT_TRUE(fit.has_value());
    return fit ? fit->lambda.high - fit->lambda.low : 0.0;
  };
  EXPECT_NEAR(width(1) / width(16), std::sqrt(31.0), 0.6);  // 2000 resamples: some 3 % of a width
}

TEST(Usl, ThroughputThatNeverTurnsIsNotIdentifiable) {
  for (const double noise : {0.0, 0.02}) {
    const auto linear = fit_usl(measured({100, 0, 0}, kLoads, noise, 5, 4));
    VB_ASSERT_OK(linear);
    EXPECT_NE(linear->reason.find("kappa"), std::string::npos) << linear->reason;
    EXPECT_FALSE(linear->peak);
    EXPECT_EQ(to_json(*linear, "r").find("status")->as_string(), "not_identifiable");
    EXPECT_TRUE(to_json(*linear, "r").find("n_star")->is_null());
  }
  const auto saturated = fit_usl(measured({100, 0.3, 0}, kLoads, 0, 5, 4));
  VB_ASSERT_OK(saturated);
  EXPECT_NEAR(saturated->sigma.value, 0.3, 1e-6);
  EXPECT_NE(saturated->reason, "");
}

TEST(Usl, AMaximumOutsideTheMeasuredLoadsIsNotIdentifiable) {
  const auto fit = fit_usl(measured(kLaw, {1, 2, 4, 8, 16}, 0, 5, 5));
  VB_ASSERT_OK(fit);
  EXPECT_NE(fit->reason.find("outside the measured loads"), std::string::npos) << fit->reason;
  EXPECT_NEAR(fit->kappa.value, kLaw.kappa, 1e-6);
}

TEST(Usl, RefusesWhatCannotBeFitted) {
  const auto refused = [](std::vector<UslPoint> points) {
    const auto fit = fit_usl(points);
    return fit ? "" : fit.error().message;
  };
  EXPECT_NE(refused(measured(kLaw, {1, 2, 4, 8}, 0, 5, 1)).find("5 distinct values"), std::string::npos);
  EXPECT_NE(refused(measured(kLaw, kLoads, 0, 1, 1)).find("one run"), std::string::npos);
  EXPECT_NE(refused(measured(kLaw, {0, 1, 2, 3, 4}, 0, 5, 1)).find("starts at N = 1"), std::string::npos);
  EXPECT_NE(refused(measured(kLaw, {1, 2, 2, 3, 4, 5}, 0, 5, 1)).find("twice"), std::string::npos);
  EXPECT_NE(refused(measured({0, 0, 0}, kLoads, 0, 5, 1)).find("above 0"), std::string::npos);
}

}  // namespace
}  // namespace vauban
