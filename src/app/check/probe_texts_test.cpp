#include "app/check/probe_texts.h"

#include <gtest/gtest.h>

namespace vauban::test {
namespace {

TEST(ProbeTexts, ATextIsCutBetweenCharacters) {
  EXPECT_EQ(utf8_beginning("abc", 3), "abc");
  EXPECT_EQ(utf8_beginning("abc", 2), "ab");
  const std::string text = "a\xC3\xA9\xF0\x9F\x98\x80z";  // 1, 2, 4 and 1 bytes
  for (const auto& [most, whole] : {std::pair{0, 0}, {1, 1}, {2, 1}, {3, 3}, {4, 3}, {6, 3}, {7, 7}, {8, 8}, {9, 8}})
    EXPECT_EQ(utf8_beginning(text, static_cast<std::size_t>(most)).size(), static_cast<std::size_t>(whole)) << most;
}

}  // namespace
}  // namespace vauban::test
