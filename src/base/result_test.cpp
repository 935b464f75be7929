#include "base/result.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return with_hint(invalid_input("expected an even number, found {}", value), "add one");
  return value / 2;
}

Result<int> quarter(int value) {
  VB_TRY(const int once, half(value));
  VB_TRY(const int twice, half(once), "in the second half of {}", value);
  return twice;
}

Result<void> check_quarter(int value) {
  VB_CHECK(quarter(value), "while checking {}", value);
  return ok();
}

TEST(Result, TryHandsOnTheValue) {
  const auto result = quarter(12);
  VB_ASSERT_OK(result);
  EXPECT_EQ(*result, 3);
  VB_EXPECT_OK(check_quarter(12));
}

TEST(Result, TryHandsOnTheErrorUnchangedWithoutContext) {
  const auto result = quarter(7);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::invalid_input);
  EXPECT_EQ(result.error().message, "expected an even number, found 7");
  EXPECT_TRUE(result.error().context.empty());
}

TEST(Result, ContextGrowsInnermostFirst) {
  const auto result = check_quarter(6);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().context, (std::vector<std::string>{"in the second half of 6", "while checking 6"}));
  EXPECT_EQ(describe(result.error()),
            "expected an even number, found 3 (in the second half of 6) (while checking 6); add one");
}

TEST(Result, EveryCodeHasANameThatReadsBack) {
  for (const ErrorCode code :
       {ErrorCode::invalid_input, ErrorCode::corrupt, ErrorCode::not_found, ErrorCode::unsupported, ErrorCode::io,
        ErrorCode::resource, ErrorCode::cancelled, ErrorCode::internal}) {
    const auto read = error_code_from(to_string(code));
    VB_ASSERT_OK(read);
    EXPECT_EQ(*read, code);
  }
  EXPECT_FALSE(error_code_from("fine"));
}

TEST(Result, MakersSetTheirCode) {
  EXPECT_EQ(corrupt("x").code, ErrorCode::corrupt);
  EXPECT_EQ(not_found("x").code, ErrorCode::not_found);
  EXPECT_EQ(unsupported("x").code, ErrorCode::unsupported);
  EXPECT_EQ(io("x").code, ErrorCode::io);
  EXPECT_EQ(resource("x").code, ErrorCode::resource);
  EXPECT_EQ(cancelled("x").code, ErrorCode::cancelled);
  EXPECT_EQ(internal("x").code, ErrorCode::internal);
}

TEST(Result, SaysTheSameContextOnce) {
  const Error error = with_context(with_context(with_context(io("no"), "in a"), "in b"), "in a");
  EXPECT_EQ(error.context, (std::vector<std::string>{"in a", "in b"}));
}

}  // namespace
}  // namespace vauban
