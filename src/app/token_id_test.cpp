#include "app/token_id.h"

#include <gtest/gtest.h>

#include "app/open.h"

namespace vauban::test {
namespace {

TEST(TokenId, WhatNoVocabularyHasIsRefused) {
  EXPECT_EQ(token_id(400).value(), 400);
  EXPECT_EQ(token_id(2147483647).value(), 2147483647);
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{2147483648}, std::int64_t{4294967696}}) EXPECT_FALSE(token_id(bad)) << bad;
  EXPECT_FALSE(parse_ids("1,4294967696"));
}

}  // namespace
}  // namespace vauban::test
