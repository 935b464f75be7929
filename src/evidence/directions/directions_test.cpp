#include "evidence/directions/directions.h"

#include <cmath>
#include <limits>

#include "base/result.h"
#include "base/rng.h"
#include "evidence/directions/principal.h"
#include "evidence/directions/separation.h"
#include "support/test_data.h"

namespace vauban {
namespace {

constexpr std::int64_t kWidth = 48;

std::vector<double> unit_vector(std::uint64_t seed) {
  Rng rng(seed, 99);
  std::vector<double> out(kWidth);
  for (double& value : out) value = rng.normal();
  const double length = length_of(out);
  for (double& value : out) value /= length;
  return out;
}

/// Unit noise in every coordinate, and `shift` along `direction`.
ActivationRows noisy(std::int64_t rows, std::uint64_t seed, const std::vector<double>& direction, double shift) {
  Rng rng(seed);
  ActivationRows out{.width = kWidth, .values = {}};
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::size_t i = 0; i < static_cast<std::size_t>(kWidth); ++i)
      out.values.push_back(static_cast<float>(rng.normal() + shift * direction[i]));
  return out;
}

LayerActivations planted(int layer, std::int64_t rows, std::uint64_t seed, const std::vector<double>& direction,
                         double shift) {
  return {.layer = layer,
          .positive = noisy(rows, 2 * seed + 1, direction, shift),
          .negative = noisy(rows, 2 * seed + 2, direction, 0)};
}

TEST(Separation, AurocIsTheShareOfOrderedPairsWithTiesAsHalves) {
  const double positive[] = {3, 1, 2}, negative[] = {1, 0};
  EXPECT_DOUBLE_EQ(auroc(positive, negative), (2 + 1.5 + 2) / 6.0);
  EXPECT_DOUBLE_EQ(auroc(negative, positive), 0.5 / 6.0);
  EXPECT_DOUBLE_EQ(auroc(negative, negative), 0.5);
}

TEST(Separation, CohensDIsTheDifferenceInPooledStandardDeviations) {
  const double positive[] = {4, 6, 8}, negative[] = {1, 3};
  // Variances 4 and 2 with 2 and 1 degrees of freedom: pooled 10 / 3.
  EXPECT_DOUBLE_EQ(*cohens_d(positive, negative), 4 / std::sqrt(10.0 / 3));
  const double constant[] = {2, 2};
  EXPECT_FALSE(cohens_d(constant, constant));
  EXPECT_FALSE(cohens_d(std::span(positive).first(1), negative));
}

TEST(PrincipalDirections, FindsTheAxesOfAKnownCloudOnBothSidesOfTheProblem) {
  // Rows +-3 along (0.6, 0.8, 0), +-1 along (0, 0, 1): tall and wide.
  const std::vector<double> tall{1.8, 2.4, 0, -1.8, -2.4, 0, 0, 0, 1, 0, 0, -1};
  const auto found = principal_directions(tall, 3, 2);
  VB_ASSERT_OK(found);
  EXPECT_NEAR(std::abs(0.6 * (*found)[0] + 0.8 * (*found)[1]), 1, 1e-12);
  EXPECT_NEAR(std::abs((*found)[5]), 1, 1e-12);
  const std::vector<double> wide{1.8, 2.4, 0, 0, 0, 0, 0, 1};
  const auto again = principal_directions(wide, 4, 2);
  VB_ASSERT_OK(again);
  EXPECT_NEAR(std::abs(0.6 * (*again)[0] + 0.8 * (*again)[1]), 1, 1e-12);
  EXPECT_NEAR(std::abs((*again)[7]), 1, 1e-12);
  const auto too_many = principal_directions(tall, 3, 3);
  ASSERT_FALSE(too_many);
  EXPECT_NE(too_many.error().message.find("span 2 dimensions"), std::string::npos) << too_many.error().message;
}

class PlantedDirection : public testing::TestWithParam<DirectionMethod> {};

TEST_P(PlantedDirection, IsFoundAndBeatsItsControls) {
  const std::vector<double> truth = unit_vector(5);
  const auto measured = measure_direction(planted(3, 400, 7, truth, 8), {.method = GetParam()});
  VB_ASSERT_OK(measured);
  EXPECT_GT(dot(measured->fit.unit, truth), 0.99);
  EXPECT_NEAR(measured->fit.norm, 8, 0.5);
  EXPECT_NEAR(length_of(measured->fit.unit), 1, 1e-12);
  EXPECT_GT(measured->score.auroc, 0.999);
  // The planted shift is 8 standard deviations; the fitted direction loses less than 1 % of it.
  EXPECT_NEAR(*measured->score.cohens_d, 8, 0.8);
  EXPECT_TRUE(measured->score.beats_random());
  EXPECT_TRUE(measured->score.beats_shuffled());
  EXPECT_GT(measured->score.stability, 0.95);
  EXPECT_EQ(measured->score.n_train, 400);
  EXPECT_EQ(measured->score.n_heldout, 400);
}

TEST_P(PlantedDirection, IsNotSeenWhereNothingWasPlanted) {
  int beaten = 0;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto measured =
        measure_direction(planted(0, 60, 100 + seed, unit_vector(5), 0), {.method = GetParam(), .seed = seed});
    VB_ASSERT_OK(measured);
    EXPECT_NEAR(measured->score.auroc, 0.5, 0.25) << "held out: no fit to noise can separate";
    beaten += measured->score.beats_shuffled();
    EXPECT_LT(measured->score.stability, 0.8);
  }
  EXPECT_LE(beaten, 1) << "a band of 95 %";
}

INSTANTIATE_TEST_SUITE_P(Methods, PlantedDirection,
                         testing::Values(DirectionMethod::mean_difference, DirectionMethod::pca),
                         [](const auto& method) { return std::string(to_string(method.param)); });

TEST(Directions, ShuffledLabelsStayNearChanceEvenWhereTheRealOnesSeparate) {
  const auto measured = measure_direction(planted(0, 60, 3, unit_vector(5), 6), {});
  VB_ASSERT_OK(measured);
  EXPECT_NEAR(measured->score.shuffled.auroc.mean, 0.5, 0.06);
  EXPECT_LT(measured->score.shuffled.auroc.high, 0.95);
  EXPECT_EQ(measured->score.shuffled.auroc.draws, 100);
  EXPECT_GT(measured->score.random.auroc.mean, 0.5) << "turned to the positive rows, as the fitted one is";
}

TEST(Directions, TheLayerIsChosenByHeldOutSeparationNotByTheLengthOfTheDifference) {
  const std::vector<double> truth = unit_vector(5);
  std::vector<LayerActivations> layers{planted(0, 40, 1, truth, 0.3), planted(1, 40, 2, truth, 8),
                                       planted(2, 40, 3, truth, 1)};
  for (ActivationRows* rows : {&layers[2].positive, &layers[2].negative})
    for (float& value : rows->values) value *= 100;  // residuals grow with depth
  const auto report = measure_directions(layers, {});
  VB_ASSERT_OK(report);
  ASSERT_EQ(report->layers.size(), 3u);
  EXPECT_GT(report->layers[2].fit.norm, report->layers[1].fit.norm);
  EXPECT_EQ(report->layers[report->chosen].layer, 1);
  EXPECT_TRUE(report->notes.empty()) << report->notes.front();
}

TEST(Directions, ALayerWhereNothingDiffersIsLeftOutWithANote) {
  const std::vector<double> truth = unit_vector(5);
  LayerActivations same{
      .layer = 0, .positive = {.width = kWidth, .values = std::vector<float>(kWidth * 8, 1.5F)}, .negative = {}};
  same.negative = same.positive;
  const std::vector<LayerActivations> layers{same, planted(1, 40, 2, truth, 8)};
  const auto report = measure_directions(layers, {});
  VB_ASSERT_OK(report);
  ASSERT_EQ(report->layers.size(), 1u);
  EXPECT_EQ(report->layers[0].layer, 1);
  ASSERT_EQ(report->notes.size(), 1u);
  EXPECT_NE(report->notes[0].find("layer 0 is left out"), std::string::npos);
  const auto none = measure_directions(std::span(layers).first(1), {});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("same mean"), std::string::npos);
}

TEST(Directions, ADirectionWithinItsControlsIsReportedAsSuch) {
  const std::vector<LayerActivations> layers{planted(0, 20, 11, unit_vector(5), 0)};
  const auto report = measure_directions(layers, {.seed = 4});
  VB_ASSERT_OK(report);
  std::string notes;
  for (const std::string& note : report->notes) notes += note + "\n";
  EXPECT_NE(notes.find("shuffled labels"), std::string::npos) << notes;
  EXPECT_NE(notes.find("random directions"), std::string::npos) << notes;
}

TEST(Directions, EqualInputsGiveEqualBitsAndAnotherSeedAnotherSplit) {
  const LayerActivations data = planted(2, 30, 8, unit_vector(5), 1);
  const auto a = measure_direction(data, {.seed = 1}), b = measure_direction(data, {.seed = 1}),
             c = measure_direction(data, {.seed = 2});
  VB_ASSERT_OK(a);
  EXPECT_EQ(a->fit.unit, b->fit.unit);
  EXPECT_EQ(a->score.random.auroc.mean, b->score.random.auroc.mean);
  EXPECT_EQ(a->score.stability, b->score.stability);
  EXPECT_NE(a->fit.unit, c->fit.unit);
}

TEST(Directions, SwappingTheGroupsTurnsTheDirectionAround) {
  LayerActivations data = planted(0, 40, 8, unit_vector(5), 4);
  const auto forward = measure_direction(data, {});
  std::swap(data.positive, data.negative);
  const auto backward = measure_direction(data, {});
  VB_ASSERT_OK(forward);
  VB_ASSERT_OK(backward);
  EXPECT_NEAR(dot(forward->fit.unit, backward->fit.unit), -1, 1e-12);
  EXPECT_DOUBLE_EQ(forward->score.auroc, backward->score.auroc);
}

TEST(Directions, ASubspaceHasOrthonormalRowsThatBeginWithTheDirection) {
  const auto measured =
      measure_direction(planted(0, 60, 8, unit_vector(5), 5), {.method = DirectionMethod::pca, .components = 3});
  VB_ASSERT_OK(measured);
  const std::span<const double> basis = measured->fit.basis;
  ASSERT_EQ(basis.size(), 3u * kWidth);
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      EXPECT_NEAR(dot(basis.subspan(i * kWidth, kWidth), basis.subspan(j * kWidth, kWidth)), i == j ? 1 : 0, 1e-9);
  EXPECT_TRUE(std::equal(measured->fit.unit.begin(), measured->fit.unit.end(), basis.begin()));
}

TEST(Directions, HalvesCoverEveryRowOnceAndAreAlikeForEqualCounts) {
  const Halves halves = split_halves(7, 3);
  EXPECT_EQ(halves.train.size(), 4u);
  RowChoice all = halves.train;
  all.insert(all.end(), halves.heldout.begin(), halves.heldout.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, (RowChoice{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(split_halves(7, 3).train, halves.train);
}

TEST(Directions, RefusesWhatCannotBeMeasured) {
  const LayerActivations good = planted(0, 8, 1, unit_vector(5), 1);
  const auto refusal = [](const LayerActivations& data, const DirectionOptions& options = {}) {
    const auto measured = measure_direction(data, options);
    return measured ? std::string("accepted") : describe(measured.error());
  };
  EXPECT_NE(refusal(planted(0, 3, 1, unit_vector(5), 1)).find("at least 4 positive prompts, found 3"),
            std::string::npos);
  LayerActivations bad = good;
  bad.negative.values[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(refusal(bad).find("negative activations hold NaN"), std::string::npos);
  bad = good;
  bad.negative.width = kWidth / 2;
  EXPECT_NE(refusal(bad).find("width"), std::string::npos);
  EXPECT_NE(refusal(good, {.controls = 5}).find("20 or more"), std::string::npos);
  EXPECT_NE(refusal(good, {.components = 2}).find("--method pca"), std::string::npos);
  const std::string many = refusal(good, {.method = DirectionMethod::pca, .components = 5});
  EXPECT_NE(many.find("the differences span 4 dimensions"), std::string::npos) << "four pairs in the training half";
}

}  // namespace
}  // namespace vauban
