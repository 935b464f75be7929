#include <cmath>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "base/json.h"
#include "base/rng.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using ::testing::HasSubstr;

std::string text_of(const Json& value, int indent = -1) {
  const auto text = value.dump(indent);
  EXPECT_TRUE(text.has_value()) << describe(text.error());
  return text.value_or("");
}

TEST(JsonWrite, PrintsDoublesAsPythonDoes) {
  const std::pair<double, const char*> cases[] = {{0.0, "0.0"},
                                                  {-0.0, "-0.0"},
                                                  {1.0, "1.0"},
                                                  {-1.5, "-1.5"},
                                                  {0.1, "0.1"},
                                                  {100000.0, "100000.0"},
                                                  {123456.789, "123456.789"},
                                                  {1e15, "1000000000000000.0"},
                                                  {1e16, "1e+16"},
                                                  {1.5e16, "1.5e+16"},
                                                  {1e22, "1e+22"},
                                                  {1e23, "1e+23"},
                                                  {1e100, "1e+100"},
                                                  {0.0001, "0.0001"},
                                                  {0.00012345, "0.00012345"},
                                                  {0.00001, "1e-05"},
                                                  {1.25e-7, "1.25e-07"},
                                                  {5e-324, "5e-324"},
                                                  {1.7976931348623157e308, "1.7976931348623157e+308"},
                                                  {2.2250738585072014e-308, "2.2250738585072014e-308"},
                                                  {9007199254740994.0, "9007199254740994.0"},
                                                  {1.0 / 3, "0.3333333333333333"},
                                                  {12.0, "12.0"},
                                                  {0.001, "0.001"}};
  for (const auto& [value, text] : cases) EXPECT_EQ(text_of(value), text);
}

TEST(JsonWrite, PrintsAFloatShortestAsAFloat) {
  EXPECT_EQ(text_of(0.1f), "0.1");
  EXPECT_EQ(text_of(static_cast<double>(0.1f)), "0.10000000149011612");
  EXPECT_EQ(text_of(1.0f), "1.0");
  EXPECT_EQ(text_of(16777216.0f), "16777216.0");
  EXPECT_EQ(text_of(1e15f), "1000000000000000.0");
  EXPECT_EQ(text_of(3.4028235e38f), "3.4028235e+38");
  EXPECT_EQ(text_of(1e-45f), "1e-45");
}

TEST(JsonWrite, FloatsOfEveryBitPatternReadBackExactly) {
  Rng rng(7);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = rng.next_u64();
    double wide = 0;
    float narrow = 0;
    const auto low_bits = static_cast<std::uint32_t>(bits);
    std::memcpy(&wide, &bits, sizeof wide);
    std::memcpy(&narrow, &low_bits, sizeof narrow);
    if (std::isfinite(wide)) {
      EXPECT_EQ(Json::parse(text_of(wide)).value().as_double(), wide);
    }
    if (std::isfinite(narrow)) {
      EXPECT_EQ(std::strtof(text_of(narrow).c_str(), nullptr), narrow);
    }
  }
}

/// The numbers of `text` outside its strings that have a fraction or an exponent.
std::vector<std::string> float_tokens(std::string_view text) {
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\';
      continue;
    }
    const std::size_t end = std::min(text.find_first_not_of("0123456789.eE+-", i), text.size());
    const std::string token(text.substr(i, end - i));
    if (token.find_first_of(".e") != std::string::npos && token.find_first_of("0123456789") != std::string::npos)
      tokens.push_back(token);
    if (end > i) i = end - 1;
  }
  return tokens;
}

TEST(JsonWrite, RepeatsTheNumbersThatPythonWroteInTheGoldenFiles) {
  std::size_t n_tokens = 0;
  for (const char* name : {"golden/stories260K_runc.json", "golden/stats.json", "golden/torch_optim.json",
                           "golden/torch_train_stories260K.json", "golden/cs336_ops.json"}) {
    VB_NEED_SHARED(name);
    for (const std::string& token : float_tokens(test::read_text(test::shared_data() / name))) {
      EXPECT_EQ(text_of(Json::parse(token).value()), token);
      ++n_tokens;
    }
  }
  EXPECT_GT(n_tokens, 40000u);
}

TEST(JsonWrite, PrintsIntegersInFull) {
  EXPECT_EQ(text_of(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(text_of(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(text_of(Json::parse("18446744073709551615").value()), "18446744073709551615");
}

TEST(JsonWrite, EscapesWhatMustBeEscapedAndKeepsUtf8) {
  EXPECT_EQ(text_of(std::string("\"\\\b\f\n\r\t\x01\x1f\x7f/\0é😀", 18)),
            "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/\\u0000é😀\"");
}

TEST(JsonWrite, IndentsAndKeepsEmptyContainersClosed) {
  const Json value = Json::object({{"b", Json::array({1, Json::object()})}, {"a", Json::array()}});
  EXPECT_EQ(text_of(value, 2), "{\n  \"a\": [],\n  \"b\": [\n    1,\n    {}\n  ]\n}");
  EXPECT_EQ(text_of(value), R"({"a":[],"b":[1,{}]})");
  EXPECT_EQ(text_of(Json::array({1, 2}), 0), "[\n1,\n2\n]");
}

TEST(JsonWrite, RefusesNanAndInfinityWithTheirPath) {
  const Json value = Json::object({{"metrics", Json::array({1.0, Json::object({{"value", std::nan("")}})})}});
  const auto text = value.dump();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::invalid_input);
  EXPECT_THAT(text.error().message, HasSubstr("$.metrics[1].value"));
  EXPECT_FALSE(Json(std::numeric_limits<double>::infinity()).dump());
  EXPECT_FALSE(Json(-std::numeric_limits<float>::infinity()).dump());
}

TEST(JsonWrite, RefusesStringsAndKeysThatAreNotUtf8) {
  const auto value = Json::object({{"a", Json::array({"\xFF"})}}).dump();
  ASSERT_FALSE(value);
  EXPECT_THAT(value.error().message, HasSubstr("$.a[0]"));
  const auto key = Json::object({{"\xC3", 1}}).dump();
  ASSERT_FALSE(key);
  EXPECT_THAT(key.error().message, HasSubstr("$.\\xc3"));
}

}  // namespace
}  // namespace vauban
