/// Every case of every training backend: finite differences on the reference, the reference for the others, and what
/// the contract promises of accumulation, frozen parameters and threads.
#include <cctype>
#include <numeric>
#include <tuple>

#include "contract/gradients_bench.h"

namespace vauban::test {
namespace {

/// Relative to the gradient's length. Measured: 1.2e-9 for rms_norm of width one, below 3e-10 elsewhere.
constexpr double kDifferenceBound = 1e-8;
/// Twice the sum against the sum of twice as many terms: rounding only.
constexpr double kAccumulationBound = 1e-12;

std::string alphanumeric(std::string name) {
  std::erase_if(name, [](unsigned char c) { return !std::isalnum(c) && c != '_'; });
  return name;
}

double squares(const std::vector<double>& values) {
  return std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
}

/// Some gradients are zero because terms cancel (softmax over one key): what rounding leaves of them is compared with a
/// tenth of the longest gradient of the case.
double smallest_scale(const CaseResult& result) {
  double largest = 0.0;
  for (const Arrays* gradients : {&result.dx, &result.dw})
    for (const std::vector<double>& gradient : *gradients) largest = std::max(largest, squares(gradient));
  return 0.01 * largest;
}

/// NMSE with a floor under the scale.
double distance(const std::vector<double>& got, const std::vector<double>& expected, double floor) {
  EXPECT_EQ(got.size(), expected.size());
  double error = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) error += (got[i] - expected[i]) * (got[i] - expected[i]);
  return error == 0.0 ? 0.0 : error / std::max(squares(expected), floor);
}

class FiniteDifferences : public testing::TestWithParam<GradientCase> {};
INSTANTIATE_TEST_SUITE_P(Cases, FiniteDifferences, testing::ValuesIn(all_gradient_cases()),
                         [](const auto& param) { return alphanumeric(param.param.name); });

TEST_P(FiniteDifferences, AgreeWithTheReferenceInF64) {
  TrainingBench bench(reference_trainer());
  EXPECT_LE(worst_finite_difference(GetParam(), machine(bench)), kDifferenceBound);
}

class GradientContract : public testing::TestWithParam<std::tuple<Trainer, GradientCase>> {
 protected:
  const Trainer& trainer() const { return std::get<0>(GetParam()); }
  const GradientCase& one() const { return std::get<1>(GetParam()); }
};
std::string contract_name(const testing::TestParamInfo<std::tuple<Trainer, GradientCase>>& param) {
  return std::get<0>(param.param).name + "_" + alphanumeric(std::get<1>(param.param).name);
}
INSTANTIATE_TEST_SUITE_P(Trainers, GradientContract,
                         testing::Combine(testing::ValuesIn(all_trainers()), testing::ValuesIn(all_gradient_cases())),
                         contract_name);
INSTANTIATE_TEST_SUITE_P(LargeProducts, GradientContract,
                         testing::Combine(testing::ValuesIn(all_trainers()), testing::ValuesIn(large_gradient_cases())),
                         contract_name);

TEST_P(GradientContract, MatchesTheReference) {
  TrainingBench spec(reference_trainer()), own(trainer(), 2);
  const CaseResult expected = run_case(one(), machine(spec)), got = run_case(one(), machine(own));
  EXPECT_LE(nmse(got.y, expected.y), trainer().bound) << "forward";
  const double floor = smallest_scale(expected);
  for (std::size_t i = 0; i < expected.dx.size(); ++i)
    EXPECT_LE(distance(got.dx[i], expected.dx[i], floor), trainer().bound) << "gradient by input " << i;
  for (std::size_t i = 0; i < expected.dw.size(); ++i)
    EXPECT_LE(distance(got.dw[i], expected.dw[i], floor), trainer().bound) << "gradient by parameter " << i;
}

TEST_P(GradientContract, GradientsOfParametersAccumulate) {
  TrainingBench own(trainer());
  EXPECT_LE(accumulation_error(one(), machine(own)), kAccumulationBound);
}

TEST_P(GradientContract, FrozenParametersAreAcceptedAndChangeNothingElse) {
  TrainingBench own(trainer());
  const CaseResult trained = run_case(one(), machine(own));
  const CaseResult frozen = run_case(one(), machine(own), Parameters::frozen);
  EXPECT_EQ(frozen.y, trained.y);
  EXPECT_EQ(frozen.dx, trained.dx);
  for (const std::vector<double>& dw : frozen.dw)
    EXPECT_TRUE(std::all_of(dw.begin(), dw.end(), [](double value) { return value == 0.0; }));
}

TEST_P(GradientContract, BitsDoNotDependOnTheThreadCount) {
  const auto with = [&](int threads) {
    TrainingBench own(trainer(), threads);
    return run_case(one(), machine(own)).bits;
  };
  if (!TrainingBench(trainer()).ops().invariant_bits()) GTEST_SKIP() << "this backend does not promise it, and says so";
  const std::string one_thread = with(1);
  EXPECT_EQ(one_thread, with(2));
  EXPECT_EQ(one_thread, with(3));
  EXPECT_EQ(one_thread, with(1)) << "not even the same run twice";
}

}  // namespace
}  // namespace vauban::test
