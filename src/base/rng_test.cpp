#include "base/rng.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace vauban {
namespace {

using Block = std::array<std::uint32_t, 4>;

// Source: Random123 1.14, examples/kat_vectors, "philox4x32 10".
TEST(Philox, MatchesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Uniform, EveryPartOfTheKeyMattersAndNothingElse) {
  const RngKey key{.seed = 1, .request = 2, .sample = 3, .position = 4};
  EXPECT_EQ(uniform(key), uniform(key));
  std::set<double> values{uniform(key)};
  for (const RngKey& other :
       {RngKey{2, 2, 3, 4}, RngKey{1ULL << 32 | 1, 2, 3, 4}, RngKey{1, 3, 3, 4}, RngKey{1, 1ULL << 32 | 2, 3, 4},
        RngKey{1, 2, 4, 4}, RngKey{1, 2, 3, 5}, RngKey{1, 2, 4, 3}})
    EXPECT_TRUE(values.insert(uniform(other)).second);
  for (const double value : values) EXPECT_TRUE(value >= 0 && value < 1);
}

TEST(Uniform, IsFlatOverPositions) {
  constexpr int kBins = 16, kDraws = 160000;
  std::array<int, kBins> counts{};
  for (std::uint32_t i = 0; i < kDraws; ++i)
    ++counts[static_cast<std::size_t>(uniform({.seed = 9, .position = i}) * kBins)];
  double chi2 = 0;
  for (const int count : counts) chi2 += std::pow(count - kDraws / kBins, 2) / (kDraws / kBins);
  EXPECT_LT(chi2, 37.7);  // chi-square of 15 degrees of freedom, p = 0.001; the draws are fixed, so is the outcome
}

TEST(Rng, StreamsDifferAndRepeat) {
  Rng a(5), b(5), c(5, 1), d(6);
  const std::uint64_t first = a.next_u64();
  EXPECT_EQ(first, b.next_u64());
  EXPECT_NE(first, c.next_u64());
  EXPECT_NE(first, d.next_u64());
  EXPECT_EQ(a.next_u32(), b.next_u32());
}

TEST(Rng, StreamIsNotTheSequenceOfSampledKeys) { EXPECT_NE(Rng(5).uniform(), uniform({.seed = 5})); }

TEST(Rng, NormalHasMeanZeroAndVarianceOne) {
  constexpr int kDraws = 100000;
  Rng rng(11);
  double sum = 0, squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = rng.normal();
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kDraws, 0, 4 / std::sqrt(kDraws));            // four standard errors of the mean
  EXPECT_NEAR(squares / kDraws, 1, 4 * std::sqrt(2.0 / kDraws));  // and of the variance
}

TEST(Rng, BelowStaysBelowAndReachesEverything) {
  Rng rng(3);
  std::array<int, 5> counts{};
  for (int i = 0; i < 50000; ++i) ++counts[rng.below(5)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 4 * std::sqrt(8000.0));  // four binomial deviations
  EXPECT_EQ(rng.below(1), 0u);
  const std::uint64_t huge = (1ULL << 63) + 1;
  for (int i = 0; i < 1000; ++i) EXPECT_LT(rng.below(huge), huge);
}

TEST(Rng, SeekContinuesTheStreamAtAnyDraw) {
  Rng whole(7, 3);
  std::vector<double> values;
  for (int i = 0; i < 9; ++i) values.push_back(whole.uniform());
  for (const std::size_t start : {0u, 1u, 4u, 7u}) {
    Rng late(7, 3);
    late.next_u32();
    late.seek(start);
    for (std::size_t i = start; i < values.size(); ++i) EXPECT_EQ(late.uniform(), values[i]) << start << " " << i;
  }
}

}  // namespace
}  // namespace vauban
