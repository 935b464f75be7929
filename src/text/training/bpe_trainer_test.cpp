#include "text/training/bpe_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/json_file.h"
#include "base/strings.h"
#include "text/gguf_pre.h"
#include "text/training/pattern_words.h"
#include "text/training/training_test.h"

namespace vauban::test {
namespace {

std::vector<WordCount> gpt2_words(const std::filesystem::path& file, const std::vector<std::string>& specials) {
  const auto rule = PatternWords::make((*find_gguf_pre("gpt-2"))->patterns, specials);
  const auto counted = count_file(file, *rule, 2);
  EXPECT_TRUE(counted.has_value());
  return counted ? counted->words : std::vector<WordCount>();
}

std::string merge_lines(const TrainedBpe& trained) {
  std::string out;
  for (const auto& [left, right] : trained.merges) out += left + " " + right + "\n";
  return out;
}

TEST(TrainBpe, GivesTheMergesAndVocabularyOfTheReference) {
  VB_NEED_SHARED("tokenizers/bpe_training");
  const auto folder = shared_data() / "tokenizers/bpe_training";
  const std::vector<std::string> specials{"<|endoftext|>"};
  TrainingBench bench;
  const auto trained = train_bpe(gpt2_words(folder / "corpus.en", specials), {.vocab_size = 500, .specials = specials}, bench.context);
  VB_ASSERT_OK(trained);
  EXPECT_EQ(trim(merge_lines(*trained)), trim(read_text(folder / "train-bpe-reference-merges.txt")));
  const auto vocabulary = read_json_file(folder / "train-bpe-reference-vocab.json");
  VB_ASSERT_OK(vocabulary);
  ASSERT_EQ(trained->tokens.size(), vocabulary->size());
  for (std::size_t id = 0; id < trained->tokens.size(); ++id) {
    const Json* expected = vocabulary->find(trained->tokens[id]);
    ASSERT_NE(expected, nullptr) << trained->tokens[id];
    EXPECT_EQ(expected->as_int(), static_cast<std::int64_t>(id)) << trained->tokens[id];
  }
}

TEST(TrainBpe, GivesTheMergesOfHuggingFaceWithItsTies) {
  const auto peers = read_json_file(source_dir() / "tests/peers/tokenizer_training/hf_bpe.json");
  VB_ASSERT_OK(peers);
  for (const Json& run : peers->find("runs")->items()) {
    const std::string file = *run.get_string("file");
    VB_NEED_SHARED(file);
    const std::vector<std::string> specials{*run.get_string("special")};
    TrainingBench bench;
    const auto trained = train_bpe(gpt2_words(shared_data() / file, specials),
                                   {.vocab_size = *run.get_int("vocab_size"),
                                    .specials = specials,
                                    .min_frequency = static_cast<std::uint64_t>(*run.get_int("min_frequency")),
                                    .ties = BpeTies::lowest_ids},
                                   bench.context);
    VB_ASSERT_OK(trained);
    std::string expected;
    for (const Json& merge : run.find("merges")->items()) expected += merge.as_string() + "\n";
    EXPECT_EQ(merge_lines(*trained), expected) << file;
  }
}

/// Straight from the definition: count all pairs anew before each merge.
std::vector<std::pair<std::string, std::string>> slow_merges(const std::vector<WordCount>& words, std::size_t count) {
  std::vector<std::pair<std::vector<std::string>, std::uint64_t>> split;
  for (const WordCount& word : words) {
    split.emplace_back();
    for (const char byte : word.word) split.back().first.emplace_back(1, byte);
    split.back().second = word.count;
  }
  std::vector<std::pair<std::string, std::string>> merges;
  while (merges.size() < count) {
    std::map<std::pair<std::string, std::string>, std::uint64_t> pairs;
    for (const auto& [symbols, n] : split)
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) pairs[{symbols[i], symbols[i + 1]}] += n;
    const auto best = std::max_element(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second < b.second : a.first < b.first;
    });
    if (best == pairs.end()) break;
    merges.push_back(best->first);
    for (auto& [symbols, n] : split) {
      std::vector<std::string> joined;
      for (std::size_t i = 0; i < symbols.size(); ++i) {
        const bool here = i + 1 < symbols.size() && symbols[i] == best->first.first && symbols[i + 1] == best->first.second;
        joined.push_back(here ? symbols[i] + symbols[i + 1] : symbols[i]);
        i += here;
      }
      symbols = std::move(joined);
    }
  }
  return merges;
}

TEST(TrainBpe, IncrementalCountsGiveWhatCountingAnewGives) {
  const auto words = words_of({{"aaaaaaa", 3}, {"ababab", 5}, {"abcabcabc", 4}, {"bbbbb", 2}, {"cacaca", 7}, {"aabbaabb", 3}, {"x", 9}, {"abab", 1}});
  const auto expected = slow_merges(words, 16);
  TrainingBench bench;
  const auto trained = train_bpe(words, {.vocab_size = 256 + static_cast<std::int64_t>(expected.size())}, bench.context);
  VB_ASSERT_OK(trained);
  EXPECT_EQ(trained->merges, expected);
}

TEST(TrainBpe, SaysHowManyTokensAreTheMost) {
  TrainingBench bench;
  const auto words = words_of({{"abc", 2}, {"xy", 1}});
  const auto most = train_bpe(words, {.vocab_size = 259}, bench.context);
  VB_ASSERT_OK(most);
  EXPECT_EQ(most->tokens.size(), 259u);
  const auto more = train_bpe(words, {.vocab_size = 260}, bench.context);
  ASSERT_FALSE(more.has_value());
  EXPECT_NE(more.error().message.find("gives 259 tokens"), std::string::npos) << more.error().message;
  EXPECT_FALSE(train_bpe(words, {.vocab_size = 259, .min_frequency = 2}, bench.context).has_value());
  EXPECT_TRUE(train_bpe(words, {.vocab_size = 258, .min_frequency = 2}, bench.context).has_value());
  const auto less = train_bpe(words, {.vocab_size = 256, .specials = {"<s>"}}, bench.context);
  ASSERT_FALSE(less.has_value());
  EXPECT_NE(less.error().message.find("at least 257"), std::string::npos) << less.error().message;
}

TEST(TrainBpe, WithoutTextGivesTheBytesAlone) {
  TrainingBench bench;
  const auto bytes = train_bpe({}, {.vocab_size = 256}, bench.context);
  VB_ASSERT_OK(bytes);
  EXPECT_EQ(bytes->tokens.size(), 256u);
  EXPECT_FALSE(train_bpe({}, {.vocab_size = 257}, bench.context).has_value());
}

TEST(TrainBpe, RefusesSpecialTokensThatCollide) {
  TrainingBench bench;
  EXPECT_EQ(train_bpe({}, {.vocab_size = 300, .specials = {"<s>", "<s>"}}, bench.context).error().code, ErrorCode::invalid_input);
  EXPECT_EQ(train_bpe({}, {.vocab_size = 300, .specials = {"a"}}, bench.context).error().code, ErrorCode::invalid_input);
}

TEST(TrainBpe, StopsWhenCancelled) {
  TrainingBench bench;
  bench.cancel.cancel();
  EXPECT_EQ(train_bpe(words_of({{"abc", 2}}), {.vocab_size = 258}, bench.context).error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace vauban::test
