#include "app/check/attention_pattern.h"

#include <gtest/gtest.h>

namespace vauban::test {
namespace {

constexpr std::int64_t kTokens = 6;

/// One head; every row spreads its weight evenly over itself and the `reach - 1` tokens before it.
std::vector<float> even_pattern(std::int64_t reach) {
  std::vector<float> values(kTokens * kTokens);
  for (std::int64_t r = 0; r < kTokens; ++r) {
    const std::int64_t first = std::max<std::int64_t>(0, r - reach + 1);
    for (std::int64_t k = first; k <= r; ++k) values[static_cast<std::size_t>(r * kTokens + k)] = 1.0F / static_cast<float>(r - first + 1);
  }
  return values;
}

struct Tested {
  bool reached = false;
  StageResult result;
};
Tested tested(const std::vector<float>& values, const PatternRule& rule) {
  Findings findings;
  const std::vector<std::int64_t> shape{1, kTokens, kTokens};
  Tested out;
  out.reached = test_pattern("layer 0", shape, values, rule, findings);
  findings.fine("ran");
  out.result = findings.result("attention");
  return out;
}

TEST(AttentionPattern, AWindowThatIsKeptPassesAndOneThatIsIgnoredFails) {
  const Tested kept = tested(even_pattern(3), {.window = 3});
  EXPECT_TRUE(kept.reached);
  EXPECT_EQ(kept.result.status, StageStatus::pass) << kept.result.detail;
  const Tested ignored = tested(even_pattern(kTokens), {.window = 3});
  EXPECT_EQ(ignored.result.status, StageStatus::fail);
  EXPECT_NE(ignored.result.detail.find("3 rows see beyond the window of 3"), std::string::npos) << ignored.result.detail;
  EXPECT_EQ(tested(even_pattern(4), {.window = 3}).result.status, StageStatus::fail) << "by one token";
}

TEST(AttentionPattern, AWindowAsWideAsTheTextIsNotReached) {
  EXPECT_FALSE(tested(even_pattern(kTokens), {.window = kTokens}).reached);
  EXPECT_FALSE(tested(even_pattern(kTokens), {}).reached);
}

TEST(AttentionPattern, RowsThatSeeTheFutureOrDoNotSumToOneFail) {
  std::vector<float> future = even_pattern(kTokens);
  future[0] = 0.5F, future[1] = 0.5F;
  EXPECT_EQ(tested(future, {}).result.status, StageStatus::fail);
  std::vector<float> less = even_pattern(kTokens);
  less[0] = 0.5F;
  EXPECT_EQ(tested(less, {}).result.status, StageStatus::fail);
  EXPECT_EQ(tested(less, {.sinks = true}).result.status, StageStatus::pass);
}

}  // namespace
}  // namespace vauban::test
