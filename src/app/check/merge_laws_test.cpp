#include "app/check/merge_laws.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/files.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

/// 200 merges, each of the last token and one letter, in the order of training.
MergeTable chain() {
  MergeTable table;
  table.tokens = {"a", "b"};
  table.made_elsewhere = {false, false};
  std::string text = "a";
  for (int i = 0; i < 200; ++i) {
    table.merges.push_back({text, "b", static_cast<std::int64_t>(table.tokens.size())});
    text += "b";
    table.tokens.push_back(text);
    table.made_elsewhere.push_back(false);
  }
  return table;
}

TEST(MergeLaws, AnIntactTableHasNoFaults) { EXPECT_TRUE(merge_faults(chain()).empty()); }

TEST(MergeLaws, TwoMergesThatChangedPlacesAreFound) {
  MergeTable table = chain();
  std::swap(table.merges[40], table.merges[41]);
  const auto faults = merge_faults(table);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].find("out of order"), std::string::npos);
}

TEST(MergeLaws, AMergeThatIsGoneLeavesATokenThatNothingMakes) {
  MergeTable table = chain();
  table.merges.erase(table.merges.begin() + 70);
  const auto faults = merge_faults(table);
  ASSERT_EQ(faults.size(), 1u);
  EXPECT_NE(faults[0].find("no merge makes token 72"), std::string::npos) << faults[0];
}

TEST(MergeLaws, AMergeThatComesTwiceIsFound) {
  MergeTable table = chain();
  table.merges[7] = table.merges[6];
  bool twice = false;
  for (const std::string& fault : merge_faults(table)) twice = twice || fault.find("comes twice") != std::string::npos;
  EXPECT_TRUE(twice);
}

TEST(MergeLaws, AVocabularyInNoOrderAtAllBreaksNoLaw) {
  MergeTable table = chain();
  std::reverse(table.merges.begin(), table.merges.end());
  EXPECT_TRUE(merge_faults(table).empty());
}

TEST(MergeLaws, AVersionLineInATokenizerJsonIsNoMerge) {
  const TempDir folder;
  const Json file = Json::object({{"model", Json::object({{"type", "BPE"}, {"vocab", Json::object({{"a", 0}, {"b", 1}, {"ab", 2}})},
                                                          {"merges", Json::array({"#version: 0.2", "a b"})}})}});
  VB_ASSERT_OK(write_file_atomic(folder / "tokenizer.json", file.dump().value()));
  auto source = ModelSource::open(source_dir() / "models/garrison/base");
  VB_ASSERT_OK(source);
  source->tokenizer_json = folder / "tokenizer.json";
  const auto table = read_merges(*source);
  VB_ASSERT_OK(table);
  ASSERT_EQ(table->merges.size(), 1u);
  EXPECT_EQ(table->merges[0].product, 2);
  EXPECT_TRUE(merge_faults(*table).empty());
}

TEST(MergeLaws, ScoresOfALlamaVocabularyFall) {
  Json scores = Json::array(), types = Json::array();
  for (int i = 0; i < 300; ++i) {
    scores.push_back(static_cast<double>(-i));
    types.push_back(1);
  }
  Json keys = Json::object({{"tokenizer.ggml.model", "llama"}, {"tokenizer.ggml.scores", scores}, {"tokenizer.ggml.token_type", types}});
  EXPECT_TRUE(score_faults(keys).empty());
  Json damaged = Json::array();
  for (int i = 0; i < 300; ++i) damaged.push_back(i == 50 ? -5.0 : static_cast<double>(-i));
  keys["tokenizer.ggml.scores"] = damaged;
  EXPECT_EQ(score_faults(keys).size(), 1u);
}

}  // namespace
}  // namespace vauban::test
