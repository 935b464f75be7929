#include "text/regex.h"

#include <gtest/gtest.h>

#include "base/result.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using Ranges = std::vector<ByteRange>;

Ranges all(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::compile(pattern);
  if (!regex) return {{99, 99}};
  return regex->find_all(text).value_or(Ranges{{98, 98}});
}

TEST(Regex, FollowsRubyRules) {
  EXPECT_EQ(all(R"(\p{N}{1,3}+)", "12345"), (Ranges{{0, 5}})) << "{1,3}+ is not possessive, it repeats";
  EXPECT_EQ(all("^b", "a\nb"), (Ranges{{2, 3}})) << "^ is per line";
  EXPECT_EQ(all("(?m)a.b", "a\nb"), (Ranges{{0, 3}})) << "(?m) means that a dot takes newlines";
  EXPECT_EQ(all(R"(\h+)", "xyzaf09g"), (Ranges{{3, 7}})) << "hexadecimal digits";
  EXPECT_EQ(all("[a-z&&[^aeiou]]+", "aeb"), (Ranges{{2, 3}})) << "intersection of classes";
}

TEST(Regex, LeavesOutAnEmptyMatchRightAfterAMatch) {
  EXPECT_EQ(all("a|b|", "axb"), (Ranges{{0, 1}, {2, 3}}));
  EXPECT_EQ(all("x*", "\xC3\xA9x"), (Ranges{{0, 0}, {2, 3}})) << "steps over whole characters";
  EXPECT_EQ(all("", ""), (Ranges{{0, 0}}));
}

TEST(Regex, SearchesLiteralsInTheSameWay) {
  EXPECT_EQ(find_all_literal("aaaa", "aa"), (Ranges{{0, 2}, {2, 4}}));
  EXPECT_EQ(find_all_literal("\xC3\xA9z", ""), (Ranges{{0, 0}, {2, 2}, {3, 3}}));
  EXPECT_EQ(find_all_literal("", "a"), Ranges{});
}

TEST(Regex, RefusesPatternsThatAreNoPatterns) {
  EXPECT_FALSE(Regex::compile("(").has_value());
  EXPECT_FALSE(Regex::compile(R"(\p{IsHan})").has_value());
  EXPECT_FALSE(Regex::compile("\xFF").has_value());
  const auto broken = Regex::compile("[a");
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().code, ErrorCode::corrupt);
  EXPECT_NE(broken.error().message.find("[a"), std::string::npos);
  const auto long_pattern = Regex::compile(std::string(100'000, 'a'));
  ASSERT_FALSE(long_pattern.has_value());
  EXPECT_EQ(long_pattern.error().code, ErrorCode::unsupported);
}

TEST(Regex, GivesUpOnExplosivePatterns) {
  const auto regex = Regex::compile("(a|a|b|a)*c|(a+a+)+$(?<=d)");
  VB_ASSERT_OK(regex);
  const auto found = regex->find_all(std::string(60, 'a') + "!");
  ASSERT_FALSE(found.has_value());
  EXPECT_EQ(found.error().code, ErrorCode::resource);
}

TEST(Regex, GivesUpOnATextWhoseEverySearchIsDear) {
  const auto regex = Regex::compile("a(?=(?:.{0,300}.{0,300}c)?)");
  VB_ASSERT_OK(regex);
  const auto found = regex->find_all(std::string(3000, 'a'));
  ASSERT_FALSE(found.has_value()) << "a bound for each search alone would let this take minutes on a page of text";
  EXPECT_EQ(found.error().code, ErrorCode::resource);
  const auto run = Regex::compile("\\s+(?!\\S)|\\s+|[^\\s]+");
  VB_ASSERT_OK(run);
  EXPECT_EQ(run->find_all(std::string(100'000, ' ') + "a" + std::string(100'000, ' ')).value_or(Ranges{}).size(), 4u)
      << "long runs are read";
}

}  // namespace
}  // namespace vauban
