#include "data/tokenize.h"

#include <numeric>

#include "data/data_test.h"

namespace vauban::test {
namespace {

std::string pieces(const Example& example, const Tokenizer& tokenizer) {
  std::string out;
  for (std::size_t i = 0; i < example.ids.size(); ++i)
    out += (i ? " " : "") + tokenizer.piece(example.ids[i]).value() + (example.is_target[i] ? "*" : "");
  return out;
}

std::string tokenized(const TrainingText& text, const TokenizeOptions& options = {}) {
  const auto tokenizer = tiny_tokenizer();
  const auto record = tokenize(text, *tokenizer, options);
  if (!record) return describe(record.error());
  std::string out;
  for (const Example& example : record->examples) out += pieces(example, *tokenizer) + "; ";
  if (record->truncated) out += format("{} truncated ", record->truncated);
  if (record->dropped) out += format("{} dropped", record->dropped);
  return out;
}

TrainingText document(std::string text) { return {.text = text, .targets = {{0, text.size()}}}; }

TEST(Tokenize, PutsBosByTheTokenizersRuleAndOneEosAtTheEnd) {
  EXPECT_EQ(tokenized(document("in a")), "<s> \u2581* in* \u2581a* </s>*; ");
  EXPECT_EQ(tokenized(document("in a"), {.append_eos = false}), "<s> \u2581* in* \u2581a*; ");
}

TEST(Tokenize, NeverDoublesBosOrEos) {
  const auto tokenizer = tiny_tokenizer();
  const auto record = tokenize(document("<s>in</s>"), *tokenizer, {});
  VB_ASSERT_OK(record);
  const auto& ids = record->examples.at(0).ids;
  EXPECT_EQ(std::ranges::count(ids, *tokenizer->bos()), 1);
  EXPECT_EQ(std::ranges::count(ids, *tokenizer->eos()), 1);
}

TEST(Tokenize, AddsNothingToARenderedConversation) {
  const auto tokenizer = tiny_tokenizer();
  const auto record = tokenize({.text = "<s>in</s>a", .targets = {{5, 9}}, .rendered = true}, *tokenizer, {});
  VB_ASSERT_OK(record);
  const Example& example = record->examples.at(0);
  EXPECT_EQ(std::ranges::count(example.ids, *tokenizer->bos()), 1);
  EXPECT_NE(example.ids.back(), *tokenizer->eos());
  EXPECT_EQ(target_text(example, *tokenizer), "</s>");
}

TEST(Tokenize, MasksThePromptAndLearnsTheTokenAcrossTheBoundary) {
  EXPECT_EQ(tokenized({.text = "the re", .targets = {{4, 6}}}), "<s> \u2581the \u2581 re* </s>*; ");
  EXPECT_EQ(tokenized({.text = "the", .targets = {{1, 3}}}), "<s> \u2581the* </s>*; ");
}

TEST(Tokenize, LearnsEveryByteOfACharacterThatOverlapsATarget) {
  EXPECT_EQ(tokenized({.text = "a\xC3\xA9", .targets = {{1, 3}}}), "<s> \u2581a <0xC3>* <0xA9>* </s>*; ");
}

TEST(Tokenize, LearnsOnlyTheEndOfAnEmptyCompletion) {
  EXPECT_EQ(tokenized({.text = "in", .targets = {{2, 2}}}), "<s> \u2581 in </s>*; ");
  EXPECT_EQ(tokenized({.text = "in", .targets = {{2, 2}}}, {.append_eos = false}), "1 dropped");
}

TEST(Tokenize, DropsWhatHasNothingToPredict) {
  EXPECT_EQ(tokenized(document(""), {.append_eos = false}), "1 dropped");
  EXPECT_EQ(tokenized({.text = "", .targets = {}, .rendered = true}), "1 dropped");
}

TEST(Tokenize, KeepsTheHeadOfALongTextAndCountsIt) {
  EXPECT_EQ(tokenized(document("in a"), {.max_length = 3}), "<s> \u2581* in*; 1 truncated ");
  EXPECT_EQ(tokenized(document("in a"), {.max_length = 5}), "<s> \u2581* in* \u2581a* </s>*; ");
  EXPECT_EQ(tokenized({.text = "the re", .targets = {{4, 6}}}, {.max_length = 3}), "1 truncated 1 dropped");
}

TEST(Tokenize, RefusesALongTextOnDemand) {
  EXPECT_THAT(tokenized(document("in a"), {.max_length = 3, .truncation = Truncation::error}),
              testing::HasSubstr("expected at most 3 tokens (max_length), found 5"));
}

TEST(Tokenize, RefusesAMissingEosRatherThanLeaveItOut) {
  const auto tokenizer = load_tokenizer_json(*tiny_tokenizer_json().dump()).value();
  ASSERT_FALSE(tokenizer->eos());
  EXPECT_FALSE(tokenize(document("in"), *tokenizer, {}));
  EXPECT_TRUE(tokenize(document("in"), *tokenizer, {.append_eos = false}));
  EXPECT_TRUE(tokenize({.text = "in", .targets = {{0, 2}}, .rendered = true}, *tokenizer, {}));
}

TEST(Tokenize, SplitsATextIntoBlocksThatPredictEveryTokenOnce) {
  const auto tokenizer = tiny_tokenizer();
  const TrainingText text = document("the singer and the other wanderer in the sand");
  const auto whole = tokenize(text, *tokenizer, {});
  VB_ASSERT_OK(whole);
  const std::vector<std::int32_t>& ids = whole->examples.at(0).ids;
  for (std::int64_t length = 2; length <= static_cast<std::int64_t>(ids.size()) + 1; ++length) {
    const auto split = tokenize(text, *tokenizer, {.max_length = length, .truncation = Truncation::split});
    VB_ASSERT_OK(split);
    std::vector<std::int32_t> predicted;
    for (const Example& block : split->examples) {
      EXPECT_LE(static_cast<std::int64_t>(block.ids.size()), length);
      EXPECT_EQ(block.is_target[0], 0);
      predicted.insert(predicted.end(), block.ids.begin() + 1, block.ids.end());
    }
    EXPECT_EQ(predicted, std::vector<std::int32_t>(ids.begin() + 1, ids.end())) << "length " << length;
    EXPECT_EQ(split->truncated + split->dropped, 0);
  }
}

}  // namespace
}  // namespace vauban::test
