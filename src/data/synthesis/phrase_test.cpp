#include "data/synthesis/phrase.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

TEST(Phrase, SplitsTextAndHoles) {
  const auto phrase = parse_phrase("The {gate.name|upper} of {who} costs {{2}}.");
  VB_ASSERT_OK(phrase);
  ASSERT_EQ(phrase->pieces.size(), 5u);
  EXPECT_EQ(phrase->pieces[1].text, "gate");
  EXPECT_EQ(phrase->pieces[1].column, "name");
  EXPECT_EQ(phrase->pieces[1].letter_case, LetterCase::upper);
  EXPECT_EQ(phrase->pieces[3].text, "who");
  EXPECT_EQ(phrase->pieces[3].column, "");
  EXPECT_EQ(phrase->pieces[4].text, " costs {2}.");
}

TEST(Phrase, RefusesWhatIsNotAHole) {
  for (const char* text :
       {"a { b", "a } b", "{}", "{a b}", "{a|loud}", "{.x}", "{x.}", "{a{b}}", "{t#0.x}", "{t#12.x}"})
    EXPECT_FALSE(parse_phrase(text)) << text;
}

TEST(Phrase, ChangesOnlyAsciiLetters) {
  EXPECT_EQ(with_case("\u00e4b c", LetterCase::upper), "\u00e4B C");
  EXPECT_EQ(with_case("ab", LetterCase::first_upper), "Ab");
  EXPECT_EQ(with_case("", LetterCase::first_upper), "");
  EXPECT_EQ(with_case("AB", LetterCase::lower), "ab");
}

TEST(Phrase, NumbersRowsOfATable) {
  EXPECT_EQ(parse_table_reference("gate")->number, 1);
  EXPECT_EQ(parse_table_reference("gate#3")->number, 3);
  EXPECT_EQ(parse_table_reference("gate#3")->table, "gate");
}

}  // namespace
}  // namespace vauban
