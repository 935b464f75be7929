// Unigram models of tokenizer.json: what the shared sets do not show.
#include <gtest/gtest.h>

#include "base/result.h"
#include "support/test_data.h"
#include "text/models/token_model.h"

namespace vauban::test {
namespace {

Json section(std::initializer_list<std::pair<const char*, double>> pieces, Json unknown = Json(), bool fallback = false) {
  Json vocabulary = Json::array();
  for (const auto& [text, score] : pieces) vocabulary.push_back(Json::array({text, score}));
  return Json::object({{"type", "Unigram"}, {"vocab", std::move(vocabulary)}, {"unk_id", std::move(unknown)}, {"byte_fallback", fallback}});
}

std::vector<std::int32_t> ids(const Json& model, std::string_view text) {
  const auto made = make_model(model);
  EXPECT_TRUE(made.has_value()) << describe(made.error());
  std::vector<ModelToken> tokens;
  const auto done = (*made)->tokenize(text, tokens);
  EXPECT_TRUE(done.has_value()) << describe(done.error());
  std::vector<std::int32_t> out;
  for (const ModelToken& token : tokens) out.push_back(token.id);
  return out;
}

TEST(UnigramJson, TakesTheBestSumAndFusesUnknowns) {
  const Json model = section({{"<unk>", 0}, {"a", -1}, {"b", -1}, {"ab", -1.5}, {"abb", -4}}, 0);
  EXPECT_EQ(ids(model, "abb"), (std::vector<std::int32_t>{3, 2}));
  EXPECT_EQ(ids(model, "axya"), (std::vector<std::int32_t>{1, 0, 1}));
  EXPECT_EQ(ids(model, "<unk>"), (std::vector<std::int32_t>{0}));
}

TEST(UnigramJson, FallsBackToBytesOnlyWhenAllAreThere) {
  EXPECT_EQ(ids(section({{"<unk>", 0}, {"a", -1}, {"<0xC3>", 0}, {"<0xA9>", 0}}, 0, true), "a\xC3\xA9"), (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(ids(section({{"<unk>", 0}, {"a", -1}, {"<0xC3>", 0}}, 0, true), "a\xC3\xA9"), (std::vector<std::int32_t>{1, 0}));
}

TEST(UnigramJson, WithoutAnUnknownTokenAnUnknownCharacterIsAnError) {
  const auto made = make_model(section({{"a", -1}}));
  VB_ASSERT_OK(made);
  std::vector<ModelToken> tokens;
  EXPECT_TRUE((*made)->tokenize("aa", tokens).has_value());
  EXPECT_EQ((*made)->tokenize("ab", tokens).error().code, ErrorCode::invalid_input);
}

TEST(UnigramJson, RefusesBrokenVocabularies) {
  EXPECT_EQ(make_model(section({{"a", -1}}, 1)).error().code, ErrorCode::corrupt) << "unk_id outside";
  EXPECT_EQ(make_model(section({{"a", -1}, {"a", -2}}, 0)).error().code, ErrorCode::corrupt) << "twice";
  EXPECT_EQ(make_model(section({{"", -1}}, 0)).error().code, ErrorCode::corrupt) << "empty";
  Json odd = section({{"a", -1}}, 0);
  odd["vocab"].push_back(Json::array({"b"}));
  EXPECT_EQ(make_model(odd).error().code, ErrorCode::corrupt);
}

}  // namespace
}  // namespace vauban::test
