// tokenizer.model files against what the sentencepiece library says.
#include <gtest/gtest.h>

#include "text/expected_rows_test.h"
#include "text/sentencepiece/piece_model.h"

namespace vauban::test {
namespace {

Result<std::shared_ptr<const Tokenizer>> load_shared_model(const std::string& relative) {
  return load_sentencepiece(read_text(shared_data() / relative));
}

/// As the library encodes: control symbols in a text are text, nothing is put around.
constexpr EncodeOptions kPlain{.add_special = false, .parse_special = false};

struct ModelSet {
  const char* name;
  int rows;     ///< texts
  int decodes;  ///< rows that decode given ids
};

void PrintTo(const ModelSet& set, std::ostream* out) { *out << set.name; }

void check_text(const Tokenizer& tokenizer, const Json& row, Score& score) {
  const std::string text = text_of(row, "text");
  const auto got = tokenizer.encode(text, kPlain);
  ASSERT_TRUE(got.has_value()) << describe(got.error());
  const auto ids = ids_of(*row.find("ids"));
  const auto offsets = spans_of(*row.find("offsets"));
  const auto spans = in_code_points(got->offsets, text);
  const std::string decoded = tokenizer.decode(ids, true).value_or("error");
  ++score.rows;
  score.count(score.ids, got->ids == ids, "'" + text + "'\n  ids" + show(got->ids) + "\n want" + show(ids));
  score.count(score.offsets, spans == offsets,
              "'" + text + "'\n  offsets" + show(spans) + "\n     want" + show(offsets));
  const bool good = decoded == text_of(row, "decoded") && streamed(tokenizer, ids, true) == decoded;
  score.count(score.decodes, good,
              "'" + text + "'\n  decodes '" + decoded + "'\n     want '" + text_of(row, "decoded") + "'");
}

class TrainedModel : public testing::TestWithParam<ModelSet> {};

TEST_P(TrainedModel, GivesTheIdsOffsetsAndTextsOfTheLibrary) {
  const std::string name = GetParam().name;
  VB_NEED_SHARED("tokenizers/trained/" + name);
  const auto rows = read_rows("tokenizers/trained/" + name + "/expected.jsonl");
  const std::string named = text_of(rows.front(), "file");
  const auto tokenizer = load_shared_model(named.empty() ? "tokenizers/trained/" + name + "/tokenizer.model" : named);
  VB_ASSERT_OK(tokenizer);
  Score score;
  int decodes = 0;
  for (const Json& row : rows) {
    if (row.find("text")) check_text(**tokenizer, row, score);
    if (!row.find("decode_ids")) continue;
    const auto text = (*tokenizer)->decode(ids_of(*row.find("decode_ids")), true);
    VB_ASSERT_OK(text);
    EXPECT_EQ(*text, text_of(row, "decoded")) << show(ids_of(*row.find("decode_ids")));
    EXPECT_EQ(streamed(**tokenizer, ids_of(*row.find("decode_ids")), true), *text);
    ++decodes;
  }
  EXPECT_EQ(score.rows, GetParam().rows);
  EXPECT_EQ(decodes, GetParam().decodes);
  EXPECT_EQ(score.ids, score.rows) << score.misses;
  EXPECT_EQ(score.offsets, score.rows) << score.misses;
  EXPECT_EQ(score.decodes, score.rows) << score.misses;
  std::cout << name << ": ids " << score.ids << ", offsets " << score.offsets << ", decodes " << score.decodes << " of "
            << score.rows << " (" << (*tokenizer)->kind() << ")\n";
}

INSTANTIATE_TEST_SUITE_P(Sets, TrainedModel,
                         testing::Values(ModelSet{"real_llama2_sp", 66, 0}, ModelSet{"real_sp_test_model", 66, 0},
                                         ModelSet{"sp_bpe_identity_bytes", 74, 9},
                                         ModelSet{"sp_bpe_user_symbols", 74, 6}, ModelSet{"sp_uni_nmt_nfkc", 74, 6},
                                         ModelSet{"sp_uni_identity_noprefix", 74, 9},
                                         ModelSet{"sp_uni_suffix_rules", 74, 6}, ModelSet{"sp_word", 74, 6},
                                         ModelSet{"sp_char", 74, 6}),
                         [](const auto& param) { return std::string(param.param.name); });

void check_golden(const char* key, const char* model, int expected_rows) {
  const auto golden = Json::parse(read_text(shared_data() / "golden/sentencepiece.json"));
  VB_ASSERT_OK(golden);
  const auto tokenizer = load_shared_model(model);
  VB_ASSERT_OK(tokenizer);
  int rows = 0, ids = 0, decodes = 0;
  for (const Json& row : golden->find(key)->items()) {
    const auto got = (*tokenizer)->encode(text_of(row, "text"), kPlain);
    VB_ASSERT_OK(got);
    ++rows;
    ids += got->ids == ids_of(*row.find("ids")) ? 1 : 0;
    decodes +=
        (*tokenizer)->decode(ids_of(*row.find("ids")), true).value_or("error") == text_of(row, "decoded") ? 1 : 0;
  }
  std::cout << key << ": ids " << ids << ", decodes " << decodes << " of " << rows << "\n";
  EXPECT_EQ(rows, expected_rows);
  EXPECT_EQ(ids, rows);
  EXPECT_EQ(decodes, rows);
}

TEST(Sentencepiece, MatchesTheLibraryOn204TextsOfLlama2) {
  VB_NEED_SHARED("golden/sentencepiece.json");
  check_golden("llama2", "tokenizers/llama2/tokenizer.model", 204);
}

TEST(Sentencepiece, MatchesTheLibraryOnTheUnigramTestModel) {
  VB_NEED_SHARED("golden/sentencepiece.json");
  const auto golden = Json::parse(read_text(shared_data() / "golden/sentencepiece.json"));
  VB_ASSERT_OK(golden);
  check_golden("unigram_test_model", "tokenizers/sentencepiece/test_model.model",
               static_cast<int>(golden->find("unigram_test_model")->size()));
}

TEST(Sentencepiece, PutsBosBeforeTheLiteralCaseOfTheReference) {
  VB_NEED_SHARED("tokenizers/llama2/tokenizer.model");
  const auto tokenizer = load_shared_model("tokenizers/llama2/tokenizer.model");
  VB_ASSERT_OK(tokenizer);
  const std::vector<std::int32_t> want = {1, 306, 4658, 278, 6593, 310, 2834, 338};
  EXPECT_EQ((*tokenizer)->encode("I believe the meaning of life is")->ids, want);
  EXPECT_EQ((*tokenizer)->encode("<s>I believe the meaning of life is")->ids, want) << "a second BOS";
}

}  // namespace
}  // namespace vauban::test
