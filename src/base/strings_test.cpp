#include "base/strings.h"

#include <gtest/gtest.h>
#include <limits>

#include "support/test_data.h"

namespace vauban {
namespace {

using Parts = std::vector<std::string_view>;

TEST(Strings, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,b,,c,", ','), (Parts{"a", "b", "", "c", ""}));
  EXPECT_EQ(split("", ','), (Parts{""}));
  EXPECT_EQ(split("abc", ','), (Parts{"abc"}));
}

TEST(Strings, JoinUndoesSplit) {
  EXPECT_EQ(join({"a", "", "b"}, ", "), "a, , b");
  EXPECT_EQ(join({}, ", "), "");
}

TEST(Strings, TrimTakesAsciiWhiteSpaceFromBothEnds) {
  EXPECT_EQ(trim(" \t\r\n a b \v\f"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim("\xC2\xA0x"), "\xC2\xA0x");  // a no-break space stays
}

TEST(Strings, Utf8FollowsTheUnicodeTable) {
  for (const char* good : {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"})
    EXPECT_TRUE(is_valid_utf8(good)) << printable(good);
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x7F", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xE2\x82",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "ok\xE2\x28\xA1"})
    EXPECT_FALSE(is_valid_utf8(bad)) << printable(bad);
}

TEST(Strings, PrintableEscapesAndCuts) {
  EXPECT_EQ(printable("a\n\x1b[31m\xFF\xC3\xA9"), "a\\x0a\\x1b[31m\\xff\xC3\xA9");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_TRUE(is_valid_utf8(printable("\xF0\x9F\x98\x80\xF0\x9F\x98\x80", 5)));
}

TEST(Strings, DidYouMeanFindsTheNearestOrNothing) {
  const std::vector<std::string> known{"max_tokens", "temperature", "seed", "top_k", "top_p"};
  EXPECT_EQ(did_you_mean("max_token", known), "max_tokens");
  EXPECT_EQ(did_you_mean("temprature", known), "temperature");
  EXPECT_EQ(did_you_mean("sed", known), "seed");
  EXPECT_EQ(did_you_mean("top-k", known), "top_k");
  EXPECT_EQ(did_you_mean("layers", known), "");
  EXPECT_EQ(did_you_mean("x", {}), "");
  EXPECT_EQ(did_you_mean("", {"a", "-o"}), "") << "nothing is near to nothing";
}

TEST(Strings, ParseIntTakesTheWholeTextAndTheWholeRange) {
  EXPECT_EQ(parse_int("-9223372036854775808").value(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse_int("+7").value(), 7);
  for (const char* bad :
       {"", " 1", "1 ", "1.0", "0x10", "1e3", "+-1", "++1", "--1", "-", "+", "9223372036854775808", "abc"})
    EXPECT_EQ(parse_int(bad).error().code, ErrorCode::invalid_input) << bad;
}

TEST(Strings, ParseDoubleIsFiniteAndIndependentOfTheLocale) {
  EXPECT_EQ(parse_double("1e-3").value(), 1e-3);
  EXPECT_EQ(parse_double("-2.5").value(), -2.5);
  EXPECT_EQ(parse_double("7").value(), 7.0);
  for (const char* bad : {"", "1,5", "inf", "-inf", "nan", "infinity", "1e400", "1.5x", " 1", "+-1"})
    EXPECT_FALSE(parse_double(bad)) << bad;
}

}  // namespace
}  // namespace vauban
