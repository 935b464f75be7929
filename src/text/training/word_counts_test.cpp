#include "text/training/word_counts.h"

#include <gtest/gtest.h>

#include "text/gguf_pre.h"
#include "text/training/line_words.h"
#include "text/training/pattern_words.h"
#include "text/training/training_test.h"

namespace vauban::test {
namespace {

PatternWords pattern_words(std::string_view pre, const std::vector<std::string>& specials = {}) {
  return *PatternWords::make((*find_gguf_pre(pre))->patterns, specials);
}

constexpr const char* kHard =
    "one two  three\n\n\nfour   \n  five's 12345 !!! \n(six)\r\n\r\n  x<|a b|>y z <|a b|> \xE4\xB8\xAD\xE6\x96\x87\xE5\xAD\x97 "
    "caf\xC3\xA9 e\xCC\x81t\xC3\xA9 _a_ a_ b\xC2\xA0 c\t d\n \n\te \xF0\x9F\x98\x80 end \n";

TEST(WordCounts, PatternsCutAsThePreTokenizerDoes) {
  TrainingBench bench;
  const TempDir folder;
  write_bytes(folder / "t.txt", "the cat's hat  the");
  const auto counted = count_file(folder / "t.txt", pattern_words("gpt-2"));
  VB_ASSERT_OK(counted);
  EXPECT_EQ(counted->words, words_of({{"the", 1}, {" cat", 1}, {"'s", 1}, {" hat", 1}, {" ", 1}, {" the", 1}}));
  EXPECT_EQ(counted->bytes, 18u);
}

TEST(WordCounts, BlocksAndThreadsNeverChangeTheWords) {
  const TempDir folder;
  std::string text;
  for (int i = 0; i < 20; ++i) text += kHard;
  write_bytes(folder / "t.txt", text);
  for (const char* pre : {"gpt-2", "llama3", "qwen2", "falcon", "default", "starcoder"}) {
    const PatternWords rule = pattern_words(pre, {"<|a b|>"});
    const auto whole = count_file(folder / "t.txt", rule);
    VB_ASSERT_OK(whole);
    for (std::size_t size = 1; size < 400; size += 7) {
      const auto blocks = count_file(folder / "t.txt", rule, 3, size);
      VB_ASSERT_OK(blocks);
      EXPECT_EQ(blocks->words, whole->words) << pre << ", blocks of " << size;
    }
  }
}

TEST(WordCounts, SpecialTokensAreNeitherCountedNorCrossed) {
  const TempDir folder;
  write_bytes(folder / "t.txt", "ab<|x|>cd<|x|>");
  const auto counted = count_file(folder / "t.txt", pattern_words("gpt-2", {"<|x|>"}));
  VB_ASSERT_OK(counted);
  EXPECT_EQ(counted->words, words_of({{"ab", 1}, {"cd", 1}}));
  EXPECT_FALSE(PatternWords::make({}, {""}).has_value());
}

TEST(WordCounts, LinesOfJsonAreTextsOfTheirOwn) {
  const TempDir folder;
  std::string rows;
  for (int i = 0; i < 50; ++i) rows += "{\"text\":\"a b\\n\\nc\"}\n\n{\"text\":\"b\"}\n";
  write_bytes(folder / "t.jsonl", rows);
  for (const std::size_t size : {1u, 10u, 1000u}) {
    const auto counted = count_file(folder / "t.jsonl", LineWords({}, false), 2, size);
    VB_ASSERT_OK(counted);
    EXPECT_EQ(counted->words, words_of({{"\xE2\x96\x81" "a", 50}, {"\xE2\x96\x81" "b", 100}, {"\xE2\x96\x81" "c", 50}}));
  }
  write_bytes(folder / "bad.jsonl", "{\"text\":\"a\"}\n{\"body\":\"a\"}\n");
  const auto bad = count_file(folder / "bad.jsonl", LineWords({}, false));
  ASSERT_FALSE(bad.has_value());
  EXPECT_NE(describe(bad.error()).find("line at byte 13"), std::string::npos) << describe(bad.error());
  EXPECT_NE(describe(bad.error()).find("'text'"), std::string::npos);
}

TEST(WordCounts, TextThatIsNotUtf8IsRefusedWithItsByte) {
  const TempDir folder;
  write_bytes(folder / "t.txt", "good text here\n more \xFF text");
  for (const std::size_t size : {4u, 1000u}) {
    const auto counted = count_file(folder / "t.txt", LineWords({}, false), 1, size);
    ASSERT_FALSE(counted.has_value());
    EXPECT_EQ(counted.error().code, ErrorCode::invalid_input);
    EXPECT_NE(describe(counted.error()).find("byte 21"), std::string::npos) << describe(counted.error());
    EXPECT_NE(describe(counted.error()).find("t.txt"), std::string::npos);
  }
}

TEST(WordCounts, EmptyAbsentAndCancelled) {
  const TempDir folder;
  write_bytes(folder / "empty.txt", "");
  const auto empty = count_file(folder / "empty.txt", LineWords({}, false));
  VB_ASSERT_OK(empty);
  EXPECT_TRUE(empty->words.empty());
  EXPECT_EQ(count_file(folder / "none.txt", LineWords({}, false)).error().code, ErrorCode::not_found);
  TrainingBench bench;
  EXPECT_EQ(count_words({}, LineWords({}, false), bench.context).error().code, ErrorCode::invalid_input);
  write_bytes(folder / "t.txt", "some text");
  bench.cancel.cancel();
  EXPECT_EQ(count_words({.files = {folder / "t.txt"}}, LineWords({}, false), bench.context).error().code, ErrorCode::cancelled);
}

TEST(LineWords, MarksSpacesAsSentencePieceDoes) {
  const std::string m = "\xE2\x96\x81";
  const auto cut = [](const LineWords& rule, std::string_view text) {
    WordTable table;
    EXPECT_TRUE(rule.cut(text, table).has_value());
    return table.sorted();
  };
  EXPECT_EQ(cut(LineWords({}, false), " a  b \r\n\nc"), words_of({{(m + "a").c_str(), 1}, {(m + "b").c_str(), 1}, {(m + "c").c_str(), 1}}));
  EXPECT_EQ(cut(LineWords({}, true), "a  b"), words_of({{(m + "a").c_str(), 1}, {m.c_str(), 1}, {(m + "b").c_str(), 1}}));
  EXPECT_EQ(cut(LineWords({"<x>"}, false), "ab<x>cd ef"), words_of({{(m + "ab").c_str(), 1}, {"cd", 1}, {(m + "ef").c_str(), 1}}));
}

}  // namespace
}  // namespace vauban::test
