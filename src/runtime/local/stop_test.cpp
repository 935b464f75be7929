#include "runtime/local/stop.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "support/test_data.h"

namespace vauban {
namespace {

/// What comes out of a matcher that is fed `text` in pieces of random length.
std::string through(const std::vector<std::string>& stops, std::string_view text, std::uint64_t seed, bool* stopped) {
  StopMatcher matcher(stops);
  Rng rng(seed);
  std::string out;
  while (!text.empty()) {
    const std::size_t n = std::min<std::size_t>(text.size(), 1 + rng.below(4));
    out += matcher.push(text.substr(0, n));
    text.remove_prefix(n);
  }
  *stopped = matcher.stopped();
  return out + matcher.finish();
}

TEST(StopMatcher, CutsTheSameTextWhateverTheBorders) {
  const struct {
    std::vector<std::string> stops;
    std::string text, expected;
    bool stopped;
  } cases[] = {
      {{"END"}, "one two END three", "one two ", true},
      {{"END"}, "one two EN", "one two EN", false},
      {{"\n\n", "."}, "a b. c\n\n", "a b", true},
      {{"aab"}, "aaaab", "aa", true},
      {{"abcd", "bc"}, "xabcd", "xa", true},  // "bc" is complete first
      {{"bc", "abc"}, "xabc", "x", true},     // both end together: the longer one goes whole
      {{}, "anything", "anything", false},
  };
  for (const auto& c : cases) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      bool stopped = false;
      EXPECT_EQ(through(c.stops, c.text, seed, &stopped), c.expected) << "seed " << seed;
      EXPECT_EQ(stopped, c.stopped);
    }
  }
}

TEST(StopMatcher, HoldsBackOnlyWhatCouldStillBeAStop) {
  StopMatcher matcher({"###"});
  EXPECT_EQ(matcher.push("ab#"), "ab");
  EXPECT_EQ(matcher.push("c"), "#c");
  EXPECT_EQ(matcher.push("##"), "");
  EXPECT_EQ(matcher.push("#"), "");
  EXPECT_TRUE(matcher.stopped());
  EXPECT_EQ(matcher.push("more"), "");
}

}  // namespace
}  // namespace vauban
