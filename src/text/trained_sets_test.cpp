// Every tokenizer.json of the shared data that is in scope: ids, offsets and decodes of all its rows, counted.
#include <algorithm>
#include <gtest/gtest.h>

#include "text/expected_rows_test.h"

namespace vauban::test {
namespace {

struct TrainedSet {
  const char* name;
  int rows;  ///< rows that hold one text each
};

void PrintTo(const TrainedSet& set, std::ostream* out) { *out << set.name; }

std::string tokenizer_file(const std::string& name, const std::vector<Json>& rows) {
  const std::string named = rows.empty() ? "" : text_of(rows.front(), "file");
  return named.empty() ? "tokenizers/trained/" + name + "/tokenizer.json" : named;
}

/// decode() has two accepted answers for some rows (see the README of the data).
std::vector<Json> older_decodes(const std::string& name) {
  std::vector<Json> rows = read_rows("tokenizers/trained/decode_022.jsonl");
  std::erase_if(rows, [&](const Json& row) { return text_of(row, "set") != name; });
  return rows;
}

bool decodes_as(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, const Json& row,
                const std::vector<Json>& older, std::int64_t number) {
  for (const bool skip : {true, false}) {
    const std::string key = skip ? "decode_skip" : "decode_all";
    const auto text = tokenizer.decode(ids, skip);
    if (!text) return false;
    bool good = *text == text_of(row, key);
    for (const Json& other : older)
      if (other.find("row")->as_int() == number) good = good || *text == text_of(other, key);
    if (!good || streamed(tokenizer, ids, skip) != *text) return false;
  }
  return true;
}

/// The reference puts a second BOS before a text that begins with one; vauban never does.
void drop_second_bos(const Tokenizer& tokenizer, std::vector<std::int32_t>& ids, std::vector<TokenSpan>& offsets) {
  if (!tokenizer.bos() || ids.size() < 2 || ids[0] != *tokenizer.bos() || ids[1] != ids[0]) return;
  ids.erase(ids.begin());
  offsets.erase(offsets.begin());
}

void check_row(const Tokenizer& tokenizer, const Json& row, const std::vector<Json>& older, std::int64_t number,
               Score& score) {
  const std::string text = text_of(row, "text");
  std::vector<std::int32_t> ids = ids_of(*row.find("ids"));
  std::vector<TokenSpan> offsets = spans_of(*row.find("offsets"));
  const std::vector<std::int32_t> all_ids = ids;
  const bool truncated = row.find("overflowing") != nullptr;
  drop_second_bos(tokenizer, ids, offsets);
  auto got = tokenizer.encode(text);
  ASSERT_TRUE(got.has_value()) << describe(got.error());
  if (truncated) {  // the file asks for truncation, which vauban leaves to its caller
    got->ids.resize(ids.size());
    got->offsets.resize(ids.size());
  }
  const auto spans = in_code_points(got->offsets, text);
  const std::string where = format("row {} '{}'", number, text);
  ++score.rows;
  score.count(score.ids, got->ids == ids, where + "\n  ids" + show(got->ids) + "\n want" + show(ids));
  score.count(score.offsets, spans == offsets, where + "\n  offsets" + show(spans) + "\n     want" + show(offsets));
  score.count(score.decodes, decodes_as(tokenizer, all_ids, row, older, number),
              where + "\n  decodes '" + tokenizer.decode(all_ids).value_or("error") + "'\n     want '" +
                  text_of(row, "decode_all") + "'");
}

class TrainedJson : public testing::TestWithParam<TrainedSet> {};

TEST_P(TrainedJson, GivesTheIdsOffsetsAndTextsOfTheReference) {
  const std::string name = GetParam().name;
  VB_NEED_SHARED("tokenizers/trained/" + name);
  const auto rows = read_rows("tokenizers/trained/" + name + "/expected.jsonl");
  const auto older = older_decodes(name);
  const auto tokenizer = load_shared_json(tokenizer_file(name, rows));
  VB_ASSERT_OK(tokenizer);
  Score score;
  std::int64_t number = 0;
  for (const Json& row : rows) {
    if (row.find("text") && !row.find("pair")) check_row(**tokenizer, row, older, number, score);
    number += 1;
  }
  EXPECT_EQ(score.rows, GetParam().rows);
  EXPECT_EQ(score.ids, score.rows) << score.misses;
  EXPECT_EQ(score.offsets, score.rows) << score.misses;
  EXPECT_EQ(score.decodes, score.rows) << score.misses;
  std::cout << name << ": ids " << score.ids << ", offsets " << score.offsets << ", decodes " << score.decodes << " of "
            << score.rows << "\n";
}

INSTANTIATE_TEST_SUITE_P(
    Sets, TrainedJson,
    testing::Values(TrainedSet{"bl_gpt2", 66}, TrainedSet{"bl_gpt2_prefix_trim", 66}, TrainedSet{"bl_roberta", 69},
                    TrainedSet{"bl_llama3_ignore_merges", 70}, TrainedSet{"bl_qwen2", 69}, TrainedSet{"bl_cl100k", 66},
                    TrainedSet{"bl_o200k", 67}, TrainedSet{"bl_deepseek_v3", 67}, TrainedSet{"bl_bloom", 66},
                    TrainedSet{"bl_partial_alphabet", 66}, TrainedSet{"bl_norm_bytelevel", 66},
                    TrainedSet{"bl_clip", 67}, TrainedSet{"llama2_legacy", 69}, TrainedSet{"llama2_first", 69},
                    TrainedSet{"ms_always_split", 68}, TrainedSet{"ms_never", 68}, TrainedSet{"ms_legacy_fields", 68},
                    TrainedSet{"gemma_like", 70}, TrainedSet{"bpe_fuse_unk", 66}, TrainedSet{"bpe_unk_prefix", 66},
                    TrainedSet{"bpe_fixedlength", 66}, TrainedSet{"added_matrix_lower", 48},
                    TrainedSet{"added_matrix_metaspace", 48}, TrainedSet{"added_metaspace_first", 48},
                    TrainedSet{"added_in_vocab", 17}, TrainedSet{"real_gpt2", 66}, TrainedSet{"real_gpt_neox", 66},
                    TrainedSet{"uni_byte_fallback", 66}, TrainedSet{"uni_no_pre", 66},
                    TrainedSet{"uni_albert", 68}, TrainedSet{"uni_t5", 68}, TrainedSet{"uni_xlmr_small", 70}, TrainedSet{"real_stories260k", 66}, TrainedSet{"real_tinystories656k", 66}),
    [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace vauban::test
