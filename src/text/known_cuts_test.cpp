// The cuts that are plain code against Oniguruma, on random text of the characters that matter and of all of Unicode.
#include "text/known_cuts.h"

#include <gtest/gtest.h>
#include <random>

#include "support/test_data.h"
#include "text/unicode.h"

namespace vauban::test {
namespace {

/// The same pattern in a form that is not in the list, so that Oniguruma runs it.
Result<Regex> judge_of(std::string_view pattern) { return Regex::compile("(?:" + std::string(pattern) + ")"); }

char32_t any_code_point(std::mt19937_64& random) {
  const auto c = static_cast<char32_t>(random() % 0x110000);
  return c >= 0xD800 && c < 0xE000 ? U'x' : c;
}

std::string random_text(std::mt19937_64& random) {
  static const std::u32string telling = U"   \n\n\r\t'''sStTmMdDrReEvVlL\u017F\u0130\u212Aab\u00E9\u4F60\u0915\u093F12\u0664\u00BD.,!\u2014_\u00A0\u2028\u3000\u200B\U0001F600\u0301\x1C\x1F\u0085";
  std::string out;
  for (std::size_t n = random() % 40; n > 0; --n)
    append_utf8(out, random() % 6 == 0 ? any_code_point(random) : telling[random() % telling.size()]);
  return out;
}

TEST(KnownCuts, CutRandomTextAsOnigurumaDoes) {
  const std::uint64_t seed = 20261130;
  for (const std::string_view pattern : all_known_cuts()) {
    const auto fast = Regex::compile(pattern), judge = judge_of(pattern);
    VB_ASSERT_OK(fast);
    VB_ASSERT_OK(judge);
    ASSERT_TRUE(find_known_cut(pattern));
    ASSERT_FALSE(find_known_cut(judge->pattern()));
    std::mt19937_64 random(seed);
    for (int i = 0; i < 5'000; ++i) {
      const std::string text = random_text(random);
      ASSERT_EQ(*fast->find_all(text), *judge->find_all(text)) << pattern << " on '" << text << "', seed " << seed << ", text " << i;
    }
  }
}

TEST(KnownCuts, KnowTheKindOfEveryCodePoint) {
  const auto patterns = all_known_cuts();
  for (const std::string_view pattern : {patterns.at(0), patterns.at(1)}) {  // they share one table of kinds
    const auto fast = Regex::compile(pattern), judge = judge_of(pattern);
    VB_ASSERT_OK(fast);
    VB_ASSERT_OK(judge);
    std::string text;
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      text += "a";
      append_utf8(text, c);
      if (text.size() < 4000 && c + 1 < 0x110000) continue;
      ASSERT_EQ(*fast->find_all(text), *judge->find_all(text)) << pattern << " before U+" << std::hex << static_cast<std::uint32_t>(c);
      text.clear();
    }
  }
}

}  // namespace
}  // namespace vauban::test
