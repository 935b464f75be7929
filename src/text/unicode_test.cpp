#include "text/unicode.h"

#include <gtest/gtest.h>

#include "text/aligned_text.h"
#include "text/byte_alphabet.h"

namespace vauban {
namespace {

TEST(Unicode, FindsTheFirstByteThatIsNotUtf8) {
  EXPECT_EQ(first_invalid_utf8("a\xC3\xA9\xF0\x9F\x98\x80"), std::nullopt);
  EXPECT_EQ(first_invalid_utf8("ab\x80"), 2u) << "a lone continuation byte";
  EXPECT_EQ(first_invalid_utf8("\xC0\xAF"), 0u) << "overlong";
  EXPECT_EQ(first_invalid_utf8("\xE0\x9F\xBF"), 0u) << "overlong";
  EXPECT_EQ(first_invalid_utf8("\xED\xA0\x80"), 0u) << "a surrogate";
  EXPECT_EQ(first_invalid_utf8("\xF4\x90\x80\x80"), 0u) << "above U+10FFFF";
  EXPECT_EQ(first_invalid_utf8("x\xE4\xBA"), 1u) << "cut short";
}

TEST(Unicode, ReplacesEachMaximalInvalidPartOnce) {
  // The example of the Unicode standard, table 3-8.
  EXPECT_EQ(to_utf8_lossy("a\xF1\x80\x80\xE1\x80\xC2"
                          "b\x80"
                          "c\x80\xBF"
                          "d"),
            "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
            "b\xEF\xBF\xBD"
            "c\xEF\xBF\xBD\xEF\xBF\xBD"
            "d");
}

TEST(Unicode, GivesEveryByteALetterAndBack) {
  std::string letters, bytes;
  for (int byte = 0; byte < 256; ++byte) {
    bytes.push_back(static_cast<char>(byte));
    letters += letter_of(static_cast<std::uint8_t>(byte));
    EXPECT_EQ(byte_of_piece(piece_of_byte(static_cast<std::uint8_t>(byte))), byte);
  }
  EXPECT_EQ(count_code_points(letters), 256u);
  EXPECT_EQ(bytes_of_letters(letters), bytes);
  EXPECT_EQ(letter_of(' '), "\xC4\xA0");  // U+0120
  EXPECT_EQ(bytes_of_letters("a b"), std::nullopt) << "a space is not a letter";
  EXPECT_EQ(byte_of_piece("<0xZZ>"), std::nullopt);
}

TEST(AlignedText, KeepsOriginsThroughComposition) {
  AlignedText text("e\xCC\x81x", 10);  // e, acute, x at byte 10 of the input
  text.transform(normal_form(text.view(), UnicodeForm::nfc));
  EXPECT_EQ(text.view(), "\xC3\xA9x");
  EXPECT_EQ(text.span(0, 2), (TokenSpan{10, 11})) << "the reference gives a composed character its first part's place";
  EXPECT_EQ(text.span(2, 3), (TokenSpan{13, 14}));
}

TEST(AlignedText, StaysUnchangedStretchWhileNothingChanges) {
  AlignedText text("ab", 4);
  text.append(AlignedText("\xC3\xA9", 6));
  EXPECT_EQ(text.span(3, 4), (TokenSpan{6, 8})) << "half a character stands for all of it";
  text.append("!", {1, 2});
  EXPECT_EQ(text.span(0, 1), (TokenSpan{4, 5}));
  EXPECT_EQ(text.span(4, 5), (TokenSpan{1, 2}));
  EXPECT_EQ(text.span(2, 2), (TokenSpan{6, 6}));
}

}  // namespace
}  // namespace vauban
