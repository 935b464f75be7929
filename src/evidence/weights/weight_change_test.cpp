#include "evidence/weights/weight_change.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/rng.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

std::vector<float> noise(std::size_t n, std::uint64_t seed) {
  Rng rng(seed, 0);
  std::vector<float> out(n);
  for (float& v : out) v = static_cast<float>(rng.normal());
  return out;
}

/// a plus `rank` outer products of unit vectors with disjoint support: equal singular values `size`.
std::vector<float> with_rank(std::vector<float> a, std::size_t rows, std::size_t width, std::size_t rank, double size) {
  for (std::size_t k = 0; k < rank; ++k)
    for (std::size_t r = k; r < rows; r += rank)
      for (std::size_t c = k; c < width; c += rank) {
        const double u = 1.0 / std::sqrt(std::ceil(static_cast<double>(rows - k) / static_cast<double>(rank)));
        const double v = 1.0 / std::sqrt(std::ceil(static_cast<double>(width - k) / static_cast<double>(rank)));
        a[r * width + c] += static_cast<float>(size * u * v);
      }
  return a;
}

TEST(WeightChange, AChangeOfRankThreeHasEffectiveRankThree) {
  const std::vector<float> a = noise(std::size_t{48} * 36, 1), b = with_rank(a, 48, 36, 3, 5.0);
  const auto change = weight_change(a, b, 48, 36);
  VB_ASSERT_OK(change);
  ASSERT_TRUE(change->spectrum);
  EXPECT_NEAR(change->spectrum->effective_rank, 3.0, 1e-4);  // f32 rounding of b: 1e-7 of values of size 1
  EXPECT_NEAR(change->spectrum->sigma_1, 5.0, 1e-4);
  EXPECT_NEAR(change->spectrum->energy_top_1, 1.0 / 3.0, 1e-4);
  EXPECT_NEAR(change->spectrum->energy_top_8, 1.0, 1e-6);
  EXPECT_NEAR(change->norm_delta, 5.0 * std::sqrt(3.0), 1e-4);
  EXPECT_EQ(change->spectrum->energy_found, 1.0);
}

TEST(WeightChange, TheSketchFindsALowRankToo) {
  const std::vector<float> a = noise(std::size_t{90} * 120, 2), b = with_rank(a, 90, 120, 3, 2.0);
  const auto change = weight_change(a, b, 90, 120, {.exact_side = 16, .sketch = 12});
  VB_ASSERT_OK(change);
  ASSERT_TRUE(change->spectrum);
  EXPECT_NEAR(change->spectrum->effective_rank, 3.0, 1e-3);
  EXPECT_NEAR(change->spectrum->sigma_1, 2.0, 1e-4);
  EXPECT_GT(change->spectrum->energy_found, 0.999999);
}

TEST(WeightChange, BlocksOfALargeMatrixGiveTheSpectrumOfTheWhole) {
  for (const auto& [rows, width] : {std::pair<std::int64_t, std::int64_t>{700, 800}, {5000, 60}, {60, 5000}}) {  // more than 2^18 values
    const auto n = static_cast<std::size_t>(rows * width);
    const std::vector<float> a(n, 0.0F), b = with_rank(a, static_cast<std::size_t>(rows), static_cast<std::size_t>(width), 3, 2.0);
    const auto change = weight_change(a, b, rows, width, {.exact_side = 64, .sketch = 6});
    VB_ASSERT_OK(change);
    ASSERT_TRUE(change->spectrum);
    EXPECT_NEAR(change->spectrum->effective_rank, 3.0, 1e-3) << rows;
    EXPECT_NEAR(change->spectrum->sigma_1, 2.0, 1e-4) << rows;
    EXPECT_GT(change->spectrum->energy_found, 0.999999) << rows;
  }
}

TEST(WeightChange, OfAFullRankChangeASketchSaysHowMuchItFound) {
  const std::vector<float> a(std::size_t{64} * 64, 0.0F), b = noise(std::size_t{64} * 64, 3);
  const auto change = weight_change(a, b, 64, 64, {.exact_side = 16, .sketch = 8});
  VB_ASSERT_OK(change);
  EXPECT_LT(change->spectrum->energy_found, 0.6);
  EXPECT_FALSE(change->relative) << "nothing to compare with";
  EXPECT_FALSE(change->cosine);
}

TEST(WeightChange, ANegatedTensorFlipsEverySign) {
  const std::vector<float> a = noise(600, 4);
  std::vector<float> b = a;
  for (float& v : b) v = -v;
  const auto change = weight_change(a, b, 20, 30);
  VB_ASSERT_OK(change);
  EXPECT_EQ(*change->sign_flips, 1.0);
  EXPECT_NEAR(*change->cosine, -1.0, 1e-12);
  EXPECT_NEAR(*change->relative, 2.0, 1e-12);
  EXPECT_EQ(change->changed, 600);
}

TEST(WeightChange, AScaledTensorKeepsItsDirection) {
  const std::vector<float> a = noise(600, 5);
  std::vector<float> b = a;
  for (float& v : b) v *= 4.0F;
  const auto change = weight_change(a, b, 20, 30);
  VB_ASSERT_OK(change);
  EXPECT_NEAR(*change->cosine, 1.0, 1e-12);
  EXPECT_EQ(*change->sign_flips, 0.0);
  EXPECT_NEAR(*change->relative, 3.0, 1e-12);
}

TEST(WeightChange, NothingChangedNothingFound) {
  const std::vector<float> a = noise(600, 6);
  const auto change = weight_change(a, a, 20, 30);
  VB_ASSERT_OK(change);
  EXPECT_EQ(change->changed, 0);
  EXPECT_EQ(change->norm_delta, 0.0);
  EXPECT_FALSE(change->spectrum);
}

TEST(WeightChange, ValuesThatAreNotFiniteAreCountedAndLeftOut) {
  std::vector<float> a = noise(600, 7), b = a;
  b[3] = std::numeric_limits<float>::quiet_NaN();
  b[9] = std::numeric_limits<float>::infinity();
  const auto change = weight_change(a, b, 20, 30);
  VB_ASSERT_OK(change);
  EXPECT_EQ(change->nonfinite, 2);
  EXPECT_EQ(change->norm_delta, 0.0);
  EXPECT_FALSE(change->spectrum);
}

TEST(WeightChange, SizesMustAgree) {
  const std::vector<float> a(6), b(5);
  EXPECT_EQ(weight_change(a, b, 2, 3).error().code, ErrorCode::invalid_input);
  EXPECT_EQ(weight_change(a, a, 2, 2).error().code, ErrorCode::invalid_input);
}

}  // namespace
}  // namespace vauban::test
