#include "model/config_keys.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

const Json kConfig = Json::object({{"a.count", 7},
                                   {"a.zero", 0},
                                   {"a.minus", -1},
                                   {"a.text", "x"},
                                   {"a.half", 0.5},
                                   {"a.null", nullptr},
                                   {"a.flag", true},
                                   {"a.stored_f32", 9.999999747378752e-06},
                                   {"a.exact", 1e-5},
                                   {"a.ids", Json::array({2, 5})},
                                   {"a.huge", std::int64_t{1} << 40}});
const ConfigKeys kKeys(kConfig, "some file", "a.");

TEST(ConfigKeys, ReadsWhatIsThereAndDefaultsWhatIsNot) {
  EXPECT_EQ(kKeys.count("count").value_or(0), 7);
  EXPECT_EQ(kKeys.count_or("absent", 3).value_or(0), 3);
  EXPECT_EQ(kKeys.count_or("null", 3).value_or(0), 3);
  EXPECT_EQ(kKeys.positive("half").value_or(0), 0.5);
  EXPECT_EQ(kKeys.flag_or("flag", false).value_or(false), true);
  EXPECT_EQ(kKeys.text_or("absent", "silu").value_or(""), "silu");
  EXPECT_EQ(kKeys.token_ids("ids").value_or(std::vector<std::int32_t>{}), (std::vector<std::int32_t>{2, 5}));
  EXPECT_EQ(kKeys.token_ids("count").value_or(std::vector<std::int32_t>{}), (std::vector<std::int32_t>{7}));
}

TEST(ConfigKeys, ZeroIsACountWhereItSaysNone) {
  EXPECT_EQ(kKeys.count_or_zero("zero", 3).value_or(-1), 0);
  EXPECT_EQ(kKeys.count_or_zero("absent", 3).value_or(-1), 3);
  EXPECT_EQ(kKeys.count_or_zero("count", 3).value_or(-1), 7);
  EXPECT_FALSE(kKeys.count_or_zero("count", 3, 6));
  EXPECT_FALSE(kKeys.count_or_zero("minus", 3));
}

TEST(ConfigKeys, AnF32OfADecimalIsThatDecimal) {
  EXPECT_EQ(kKeys.positive("stored_f32").value_or(0), 1e-5);
  EXPECT_EQ(kKeys.positive("exact").value_or(0), 1e-5);
}

TEST(ConfigKeys, ErrorsNameTheKeyTheFileAndWhatWasFound) {
  const auto expect = [](const auto& result, const char* found) {
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().code, ErrorCode::corrupt);
    EXPECT_NE(result.error().message.find("in some file"), std::string::npos) << result.error().message;
    EXPECT_NE(result.error().message.find(found), std::string::npos) << result.error().message;
  };
  expect(kKeys.count("absent"), "'a.absent'");
  expect(kKeys.count("zero"), "found 0");
  expect(kKeys.count("huge"), "found 1099511627776");
  expect(kKeys.count("count", 6), "from 1 to 6");
  expect(kKeys.count("half"), "found 0.5");
  expect(kKeys.positive("text"), "found \"x\"");
  expect(kKeys.flag_or("count", false), "found 7");
  expect(kKeys.text_or("count", ""), "found 7");
  expect(kKeys.token_ids("half"), "found 0.5");
  expect(kKeys.token_ids("huge"), "found 1099511627776");
}

}  // namespace
}  // namespace vauban
