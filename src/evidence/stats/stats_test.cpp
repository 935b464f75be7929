#include "evidence/stats/stats.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "base/rng.h"
#include "support/test_data.h"

namespace vauban {
namespace {

std::vector<double> numbers(const Json& list) {
  std::vector<double> out;
  for (const Json& value : list.items()) out.push_back(value.as_double());
  return out;
}

Json golden() {
  const auto json = Json::parse(test::read_text(test::shared_data() / "golden/stats.json"));
  return json ? *json->find("cases") : Json();
}

TEST(Stats, CheckVectorsOfTheReference) {
  EXPECT_NEAR(mcnemar_exact(1, 9), 0.021484375, 1e-12);
  EXPECT_NEAR(mcnemar_exact(6, 16), 0.0524787903, 1e-9);
  EXPECT_NEAR(mcnemar_exact(0, 5), 0.0625, 1e-12);
  EXPECT_NEAR(mcnemar_exact(10, 25), 0.0166738479, 1e-9);
  EXPECT_EQ(mcnemar_exact(5, 5), 1.0);
  EXPECT_EQ(mcnemar_exact(0, 0), 1.0);
  EXPECT_NEAR(wilson(8, 10).low, 0.4901625, 1e-6);
  EXPECT_NEAR(wilson(8, 10).high, 0.9433178, 1e-6);
  EXPECT_NEAR(wilson(0, 20).high, 0.1611252, 1e-6);
  EXPECT_NEAR(wilson(20, 20).low, 0.8388749, 1e-6);
  EXPECT_NEAR(wilson(149, 164).low, 0.8545844, 1e-6);
  const std::vector<double> p{.01, .04, .03, .005};
  EXPECT_EQ(holm(p), (std::vector<double>{.03, .06, .06, .02}));
}

TEST(Stats, ClusteredErrorOfTheReference) {
  std::vector<double> values;
  std::vector<std::int64_t> cluster;
  for (int i = 0; i < 20; ++i) {
    values.push_back(i);
    cluster.push_back(i % 4);
  }
  EXPECT_NEAR(clustered_se(values, cluster).se, 0.6454972244, 1e-9);
  EXPECT_NEAR(plain_se(values).se, 1.3228756555, 1e-9);
}

/// TOST at margin m has p where the interval of confidence 1 - 2p just touches m (or -m): so scipy's p checks t_interval, of which
/// the 90 % interval that decides equivalence is one.
void expect_touches(const MeanTest& test, double margin, double p) {
  const Bounds touching = *t_interval(test.estimate, test.error, 1 - 2 * p);
  EXPECT_NEAR(std::max(touching.high, -touching.low), margin, 1e-9);
  EXPECT_EQ(test.ci90->low > -margin && test.ci90->high < margin, p < 0.05);
}

TEST(Stats, PairedTAndTostEqualScipy) {
  VB_NEED_SHARED("golden/stats.json");
  const Json cases = golden();
  for (const Json& row : cases.find("paired")->items()) {
    std::vector<double> d = numbers(*row.find("candidate"));
    const std::vector<double> a = numbers(*row.find("baseline"));
    for (std::size_t i = 0; i < d.size(); ++i) d[i] -= a[i];
    const MeanTest test = t_test(d, plain_se(d));
    EXPECT_NEAR(test.estimate, row.find("mean_delta")->as_double(), 1e-9);
    EXPECT_NEAR(*test.p, row.find("t")->find("p")->as_double(), 1e-9);
    EXPECT_NEAR(test.ci95->low, row.find("t")->find("ci95")->items()[0].as_double(), 1e-9);
    EXPECT_NEAR(test.ci95->high, row.find("t")->find("ci95")->items()[1].as_double(), 1e-9);
    const Json& tost = *row.find("tost");
    expect_touches(test, tost.find("margin")->as_double(), tost.find("p")->as_double());
  }
}

TEST(Stats, McNemarWilsonAdjustmentsAndClustersEqualTheOutsideAnswers) {
  VB_NEED_SHARED("golden/stats.json");
  const Json cases = golden();
  for (const Json& row : cases.find("mcnemar_exact")->items())
    EXPECT_NEAR(mcnemar_exact(row.find("b")->as_int(), row.find("c")->as_int()), row.find("p")->as_double(), 1e-12);
  for (const Json& row : cases.find("wilson")->items()) {
    const Bounds ci = wilson(row.find("k")->as_double(), row.find("n")->as_double());
    EXPECT_NEAR(ci.low, row.find("ci95")->items()[0].as_double(), 1e-9);
    EXPECT_NEAR(ci.high, row.find("ci95")->items()[1].as_double(), 1e-9);
  }
  for (const Json& row : cases.find("adjust")->items()) {
    const std::vector<double> p = numbers(*row.find("p")), h = holm(p);
    for (std::size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(h[i], numbers(*row.find("holm"))[i], 1e-12);
  }
  for (const Json& row : cases.find("cluster_se")->items()) {
    std::vector<std::int64_t> cluster;
    for (const Json& c : row.find("cluster")->items()) cluster.push_back(c.as_int());
    EXPECT_NEAR(clustered_se(numbers(*row.find("x")), cluster).se, row.find("se_times_sqrt_G_over_G_minus_1")->as_double(), 1e-12);
  }
}

/// 2,000 suites without an effect, 40 pairs each: a two-sided 5 % test rejects 4 to 6 % of them.
TEST(Stats, NullSuitesAreRejectedAtTheNominalRate) {
  int rejected = 0;
  constexpr int kSuites = 2000;
  for (int suite = 0; suite < kSuites; ++suite) {
    Rng rng(20261121, static_cast<std::uint64_t>(suite));
    std::vector<double> d(40);
    for (double& value : d) value = rng.normal();
    rejected += *t_test(d, plain_se(d)).p < 0.05;
  }
  EXPECT_GE(rejected, kSuites * 4 / 100);
  EXPECT_LE(rejected, kSuites * 6 / 100);
}

TEST(Stats, FewValuesGiveNoInterval) {
  EXPECT_FALSE(t_test(std::vector<double>{0.5}, plain_se(std::vector<double>{0.5})).ci95);
  EXPECT_FALSE(minimum_detectable_effect(plain_se(std::vector<double>{})));
}

TEST(Stats, ValuesWithoutSpreadGiveNoIntervalAndNoP) {
  for (const std::vector<double>& d : {std::vector<double>(200, 1.0), std::vector<double>{0.5}, std::vector<double>{0.4 - 0.3, 0.3 - 0.2, 0.1}}) {
    const MeanTest test = t_test(d, plain_se(d));
    EXPECT_FALSE(test.ci95 || test.ci90 || test.p) << d.size();
    EXPECT_FALSE(minimum_detectable_effect(test.error)) << d.size();
  }
  const std::vector<double> zeros(2, 0.0);
  const MeanTest none = t_test(zeros, plain_se(zeros));
  EXPECT_EQ(none.p, 1.0);
  EXPECT_FALSE(none.ci95 || none.ci90);
  EXPECT_FALSE(t_test({}, plain_se({})).p);
}

TEST(Stats, FamiliesThatMoveByTheSameMeanGiveNoInterval) {
  const std::vector<double> d{1, 0, 1, 0, 0, 1};
  const std::vector<std::int64_t> family{0, 0, 1, 1, 2, 2};
  const MeanTest test = t_test(d, clustered_se(d, family));
  EXPECT_FALSE(test.ci95 || test.p);
  EXPECT_TRUE(t_test(d, plain_se(d)).ci95);
}

/// The table of t: t_{.975,9} = 2.262157, t_{.8,9} = 0.883404.
TEST(Stats, TheDetectableEffectUsesQuantilesOfT) {
  EXPECT_NEAR(*minimum_detectable_effect({.se = 2, .df = 9}), 2 * (2.262157163 + 0.883403860), 1e-8);
}

TEST(Stats, AdjustedWaldHasAWidthWithoutDiscordantPairs) {
  EXPECT_NEAR(adjusted_wald(0, 0, 2).high, 1.959963985 / 4, 1e-9);
  EXPECT_NEAR(adjusted_wald(0, 0, 200, 0.90).low, -1.644853627 / 202, 1e-9);
  const Bounds up = adjusted_wald(12, 3, 50), down = adjusted_wald(3, 12, 50);
  EXPECT_DOUBLE_EQ(up.low, -down.high);
  EXPECT_NEAR((up.low + up.high) / 2, 9.0 / 52, 1e-12);
  EXPECT_EQ(adjusted_wald(3, 0, 3).high, 1.0);
}

TEST(Stats, QuantilesInterpolateLinearly) {
  EXPECT_EQ(quantile_of({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_EQ(quantile_of({4, 1, 3, 2}, 1.0), 4);
  EXPECT_EQ(quantile_of({7}, 0.99), 7);
}

}  // namespace
}  // namespace vauban
