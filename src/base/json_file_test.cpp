#include "base/json_file.h"

#include <cmath>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/faulty_file_ops.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using ::testing::HasSubstr;

TEST(JsonFile, ReadsBackWhatItWrote) {
  const test::TempDir folder;
  const Json value = Json::object({{"b", Json::array({1, 2.0})}, {"a", "x"}});
  VB_ASSERT_OK(write_json_file(folder / "v.json", value));
  EXPECT_EQ(test::read_text(folder / "v.json"), "{\n  \"a\": \"x\",\n  \"b\": [\n    1,\n    2.0\n  ]\n}\n");
  EXPECT_EQ(read_json_file(folder / "v.json").value(), value);
}

TEST(JsonFile, ErrorsNameTheFileAndThePlace) {
  const test::TempDir folder;
  std::ofstream(folder / "bad.json") << "{\n \"a\": 1,\n}";
  const auto bad = read_json_file(folder / "bad.json");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::corrupt);
  EXPECT_THAT(describe(bad.error()), ::testing::AllOf(HasSubstr("line 3, column 1"), HasSubstr("bad.json")));
  EXPECT_EQ(read_json_file(folder / "bad.json", 3).error().code, ErrorCode::resource);
  const auto missing = read_json_file(folder / "none.json");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(describe(missing.error()), HasSubstr("none.json"));
}

TEST(JsonFile, ValueThatCannotBeWrittenOrDiskThatIsFullLeavesTheOldFile) {
  const test::TempDir folder;
  VB_ASSERT_OK(write_json_file(folder / "v.json", Json(1)));
  const auto nan = write_json_file(folder / "v.json", Json::object({{"x", std::nan("")}}));
  ASSERT_FALSE(nan);
  EXPECT_THAT(describe(nan.error()), ::testing::AllOf(HasSubstr("$.x"), HasSubstr("v.json")));
  test::FaultyFileOps full({.call = "write", .nth = 0, .error_number = ENOSPC});
  EXPECT_EQ(write_json_file(folder / "v.json", Json(2), full).error().code, ErrorCode::resource);
  EXPECT_EQ(test::read_text(folder / "v.json"), "1\n");
}

}  // namespace
}  // namespace vauban
