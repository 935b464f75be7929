#include "base/json.h"

#include <cmath>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "base/rng.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using ::testing::HasSubstr;

Json parsed(std::string_view text) {
  auto result = Json::parse(text);
  EXPECT_TRUE(result.has_value()) << text << ": " << describe(result.error());
  return result ? *std::move(result) : Json("parse failed");
}

std::string refusal(std::string_view text) {
  const auto result = Json::parse(text);
  EXPECT_FALSE(result.has_value()) << "accepted " << text;
  if (result) return "";
  EXPECT_EQ(result.error().code, ErrorCode::corrupt);
  return result.error().message;
}

TEST(Json, ParsesEveryKind) {
  const Json value =
      parsed(R"( {"a": [null, true, false], "i": -3, "d": 2.5, "s": "x\u00e9\n\ud83d\ude00", "o": {}} )");
  ASSERT_TRUE(value.is_object());
  EXPECT_EQ(value.size(), 5u);
  EXPECT_TRUE(value.find("a")->items()[0].is_null());
  EXPECT_TRUE(value.find("a")->items()[1].as_bool());
  EXPECT_FALSE(value.find("a")->items()[2].as_bool());
  EXPECT_EQ(value.find("i")->as_int(), -3);
  EXPECT_EQ(value.find("d")->as_double(), 2.5);
  EXPECT_EQ(value.find("s")->as_string(), "x\xC3\xA9\n\xF0\x9F\x98\x80");
  EXPECT_EQ(value.find("o")->type_name(), "object");
  EXPECT_EQ(value.find("missing"), nullptr);
}

TEST(Json, KeepsIntegersAndFloatsApart) {
  EXPECT_TRUE(parsed("1").is_integer());
  EXPECT_EQ(parsed("1").type_name(), "integer");
  EXPECT_FALSE(parsed("1.0").is_integer());
  EXPECT_FALSE(parsed("1e2").is_integer());
  EXPECT_EQ(parsed("1.0").type_name(), "number");
  EXPECT_EQ(parsed("-9223372036854775808").as_int(), std::numeric_limits<std::int64_t>::min());
  EXPECT_TRUE(parsed("18446744073709551615").is_integer());
  EXPECT_FALSE(parsed("18446744073709551616").is_integer());  // out of range: a number
  EXPECT_EQ(parsed("18446744073709551616").as_double(), 0x1p64);
}

TEST(Json, UncheckedReadsSaturateAndNeverThrow) {
  EXPECT_EQ(Json(1e300).as_int(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(Json(-1e300).as_int(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Json(std::nan("")).as_int(), 0);
  EXPECT_EQ(Json(-2.9).as_int(), -2);
  EXPECT_EQ(Json(std::numeric_limits<std::uint64_t>::max()).as_int(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(Json("7").as_int(), 0);
  EXPECT_EQ(Json(7).as_string(), "");
  EXPECT_FALSE(Json(1).as_bool());
  EXPECT_TRUE(Json(7).items().empty());
  EXPECT_TRUE(Json(7).entries().empty());
  EXPECT_EQ(Json(7).find("a"), nullptr);
  EXPECT_EQ(Json(7).size(), 0u);
}

TEST(Json, EqualIntegersCompareEqualWhateverTheirCppType) {
  EXPECT_EQ(Json(std::size_t{5}), Json(5));
  EXPECT_EQ(parsed("5"), Json(std::size_t{5}));
  EXPECT_NE(Json(5), Json(5.0));
  EXPECT_NE(Json(std::numeric_limits<std::uint64_t>::max()), Json(-1));
}

static_assert(!std::is_constructible_v<Json, const int*>, "a pointer must not become a bool");
static_assert(std::is_constructible_v<Json, const char*>);

TEST(Json, BuildsObjectsAndArrays) {
  Json value = Json::object({{"b", 1}, {"a", std::vector<std::string>{"x", "y"}}});
  value["c"]["nested"] = true;
  value["list"].push_back(3);
  value["list"].push_back("four");
  const int present = 9;
  value["some"] = Json::optional(&present);
  value["none"] = Json::optional<int>(nullptr);
  EXPECT_EQ(value.dump().value(),
            R"({"a":["x","y"],"b":1,"c":{"nested":true},"list":[3,"four"],"none":null,"some":9})");
}

TEST(Json, RefusesWhatStrictJsonRefuses) {
  for (const char* text : {"",
                           " ",
                           "[1,]",
                           "{\"a\":1,}",
                           "[1 2]",
                           "{a:1}",
                           "{'a':1}",
                           "01",
                           "-01",
                           "+1",
                           ".5",
                           "1.",
                           "1e",
                           "0x10",
                           "NaN",
                           "Infinity",
                           "-Infinity",
                           "nul",
                           "True",
                           "[",
                           "{",
                           "\"abc",
                           "\"\\x41\"",
                           "\"\\u12\"",
                           "\"\t\"",
                           "\"\n\"",
                           "// c\n1",
                           "/* c */ 1",
                           "1 2",
                           "[1]]",
                           "{} {}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{1:2}",
                           "\"\\ud800\"",
                           "\"\\udc00\"",
                           "\"\\ud800\\u0041\"",
                           "-",
                           "--1",
                           "1e400",
                           "-1e400",
                           "[1,,2]",
                           "\xEF\xBB\xBF{}"})
    EXPECT_NE(refusal(text), "") << text;
}

TEST(Json, RefusesTextBehindANulByte) {
  EXPECT_THAT(refusal(std::string_view("1\0 garbage", 10)), HasSubstr("column 2"));
  EXPECT_NE(refusal(std::string_view("\"a\0b\"", 5)), "");
}

TEST(Json, RefusesBytesThatAreNotUtf8) {
  for (const char* text : {"\"\xFF\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xE2\x82\"",
                           "\"\x80\"", "{\"\xC3\": 1}"})
    EXPECT_NE(refusal(text), "");
  EXPECT_EQ(parsed("\"\xF4\x8F\xBF\xBF\"").as_string(), "\xF4\x8F\xBF\xBF");
}

TEST(Json, ErrorMessagesAreThemselvesValidJsonStrings) {
  const std::string message = refusal("[\"ok\", \"\x01\xFF bad\"]");
  EXPECT_TRUE(Json(message).dump().has_value());
}

TEST(Json, NamesLineAndColumnInCodePoints) {
  EXPECT_THAT(refusal("{\n  \"a\": 1,\n  \"b\": x\n}"), HasSubstr("line 3, column 8"));
  EXPECT_THAT(refusal("[\"\xC3\xA9\xC3\xA9\", x]"), HasSubstr("line 1, column 8"));
  EXPECT_THAT(refusal("[1,"), HasSubstr("line 1, column 4"));
}

TEST(Json, RefusesDuplicateKeysAndPointsAtTheSecond) {
  EXPECT_THAT(refusal("{\"a\": 1,\n \"b\": {\"a\": 2},\n \"a\": 3}"),
              HasSubstr("line 3, column 2: key 'a' appears twice"));
  // The same key in another spelling, with an escaped quote inside.
  EXPECT_THAT(refusal("{\"q\\\"\":1, \"\\u0071\\\"\":2}"), HasSubstr("line 1, column 11: key 'q\"'"));
}

TEST(Json, NestsTo256LevelsAndNoFurther) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  const Json deepest = parsed(nested(256));
  EXPECT_EQ(deepest.dump().value(), nested(256));
  EXPECT_THAT(refusal(nested(257)), HasSubstr("column 257: nesting is deeper than 256 levels"));
  EXPECT_NE(refusal(std::string(5'000'000, '[')), "");
  const auto too_deep = Json::array({deepest}).dump();
  ASSERT_FALSE(too_deep);
  EXPECT_THAT(too_deep.error().message, HasSubstr("deeper than 256"));
}

TEST(Json, CheckedMembersNameKeyExpectationAndFinding) {
  const Json value =
      parsed(R"({"n": 3, "f": 2.5, "s": "x", "b": true, "a": [], "o": {}, "big": 18446744073709551615})");
  EXPECT_EQ(value.get_int("n").value(), 3);
  EXPECT_EQ(value.get_double("n").value(), 3.0);
  EXPECT_EQ(value.get_double("f").value(), 2.5);
  EXPECT_EQ(value.get_string("s").value(), "x");
  EXPECT_TRUE(value.get_bool("b").value());
  EXPECT_EQ(value.get_array("a").value(), value.find("a"));
  EXPECT_EQ(value.get_object("o").value(), value.find("o"));
  EXPECT_EQ(value.get_int("f").error().message, "expected an integer at key 'f', found number");
  EXPECT_EQ(value.get_string("n").error().message, "expected a string at key 'n', found integer");
  EXPECT_EQ(value.get_bool("gone").error().message, "expected a boolean at key 'gone', but the key is missing");
  EXPECT_THAT(value.get_int("big").error().message, HasSubstr("18446744073709551615"));
  EXPECT_THAT(Json(Json::Array{}).get_int("n").error().message, HasSubstr("found an array"));
  for (const char* key : {"n", "o"}) EXPECT_EQ(value.get_array(key).error().code, ErrorCode::corrupt);
  EXPECT_FALSE(value.get_object("a"));
}

/// Every cut and many single-byte changes of a text either parse or are refused; what parses writes and reads back.
TEST(Json, SurvivesCutAndChangedTexts) {
  const std::string text = R"({"k":[1,-2.5e-3,"a\u00e9\\\"",{"x":null,"y":[true,false]}],"z":"é😀"})";
  Rng rng(20260101);
  const auto check = [](const std::string& input) {
    const auto value = Json::parse(input);
    if (!value) return;
    const auto written = value->dump();
    VB_ASSERT_OK(written);
    EXPECT_EQ(parsed(*written), *value);
  };
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_NE(refusal(text.substr(0, cut)), "");
  }
  for (int i = 0; i < 3000; ++i) {
    std::string changed = text;
    changed[rng.below(changed.size())] = static_cast<char>(rng.below(256));
    if (rng.below(2) == 0) changed.insert(rng.below(changed.size()), 1, "[]{}\",:\\0e"[rng.below(10)]);
    check(changed);
  }
}

TEST(Json, ReadsEveryJsonFileOfTheSharedData) {
  VB_NEED_SHARED("golden");
  int n_files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(test::shared_data() / "golden")) {
    if (entry.path().extension() != ".json") continue;
    const Json value = parsed(test::read_text(entry.path()));
    const std::string written = value.dump(1).value();
    EXPECT_EQ(parsed(written), value) << entry.path();
    ++n_files;
  }
  EXPECT_GT(n_files, 5);
}

}  // namespace
}  // namespace vauban
