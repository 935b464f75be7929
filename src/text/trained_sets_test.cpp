// Every tokenizer.json of the shared data: ids, offsets and decodes of all rows that hold one text; what is left out is counted.
#include <algorithm>
#include <gtest/gtest.h>

#include "text/expected_rows_test.h"

namespace vauban::test {
namespace {

std::string first_line(const std::filesystem::path& path) {
  const std::string all = read_text(path);
  return all.substr(0, all.find('\n'));
}

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

/// Truncation and padding are left to vauban's caller (tokenizer.h): of a row that has them, what is inside the padding
/// must be a window of our tokens, with the same tokens around it.
bool is_window(const Encoding& all, std::size_t around_begin, std::size_t around_end, const std::vector<std::int32_t>& ids,
               const std::vector<TokenSpan>& wanted, const std::vector<TokenSpan>& offsets) {
  if (ids.size() > all.ids.size() || ids.size() < around_begin + around_end) return false;
  const std::size_t inner = ids.size() - around_begin - around_end;
  for (std::size_t shift = 0; shift + ids.size() <= all.ids.size(); ++shift) {
    bool same = true;
    for (std::size_t i = 0; i < ids.size() && same; ++i) {
      const bool before = i < around_begin, behind = i >= around_begin + inner;
      const std::size_t at = before ? i : behind ? all.ids.size() - (ids.size() - i) : i + shift;
      same = all.ids[at] == ids[i] && wanted[i] == offsets[at];
    }
    if (same) return true;
  }
  return false;
}

/// Without the padding, which has no attention.
void drop_padding(const Json& row, std::vector<std::int32_t>& ids, std::vector<TokenSpan>& offsets) {
  const Json* const mask = row.find("attention_mask");
  if (!mask) return;
  std::vector<std::int32_t> kept;
  std::vector<TokenSpan> spans;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (mask->items()[i].as_int() == 0) continue;
    kept.push_back(ids[i]);
    spans.push_back(offsets[i]);
  }
  ids = std::move(kept);
  offsets = std::move(spans);
}

/// `text` as the reference encoded it; `row` has ids and offsets, and decodes unless it is a member of a batch.
void check_row(const Tokenizer& tokenizer, const std::string& text, const Json& row, const std::vector<Json>& older,
               std::int64_t number, Score& score) {
  std::vector<std::int32_t> ids = ids_of(*row.find("ids"));
  std::vector<TokenSpan> offsets = spans_of(*row.find("offsets"));
  const std::vector<std::int32_t> all_ids = ids;
  drop_padding(row, ids, offsets);
  drop_second_bos(tokenizer, ids, offsets);
  const auto got = tokenizer.encode(text);
  ASSERT_TRUE(got.has_value()) << describe(got.error());
  const auto spans = in_code_points(got->offsets, text);
  const std::string where = format("row {} '{}'", number, text);
  const auto bare = tokenizer.encode("");
  ASSERT_TRUE(bare.has_value());
  const Json* const overflow = row.find("overflowing");
  const bool cut = overflow && overflow->size() > 0;
  const bool window = cut && is_window(*got, tokenizer.bos() && !bare->ids.empty() ? 1 : 0,
                                       bare->ids.size() > 1 ? bare->ids.size() - 1 : 0, ids, offsets, spans);
  ++score.rows;
  score.count(score.ids, cut ? window : got->ids == ids, where + "\n  ids" + show(got->ids) + "\n want" + show(ids));
  score.count(score.offsets, cut ? window : spans == offsets,
              where + "\n  offsets" + show(spans) + "\n     want" + show(offsets));
  score.count(score.decodes, !row.find("decode_all") || decodes_as(tokenizer, all_ids, row, older, number),
              where + "\n  decodes '" + tokenizer.decode(all_ids).value_or("error") + "'\n     want '" +
                  text_of(row, "decode_all") + "'");
}

/// What became of all rows of a set.
struct Tally {
  Score texts;
  int refused = 0;  ///< texts that the reference refuses, and so do we
  int pairs = 0;    ///< two texts in one input, which Tokenizer does not encode
  int caller = 0;   ///< refused by the reference's truncation
};

void check_rows(const Tokenizer& tokenizer, const std::vector<Json>& rows, const std::vector<Json>& older, Tally& tally) {
  std::int64_t number = -1;
  for (const Json& row : rows) {
    ++number;
    if (row.find("file")) continue;  // names the tokenizer
    const std::string error = text_of(row, "error");
    if (const Json* batch = row.find("batch")) {
      for (std::size_t i = 0; i < batch->size(); ++i) {
        const Json& text = batch->items()[i];
        if (!text.is_string())
          ++tally.pairs;
        else if (!error.empty())
          ++tally.caller;
        else
          check_row(tokenizer, text.as_string(), row.find("encodings")->items()[i], older, number, tally.texts);
      }
    } else if (row.find("pair")) {
      ++tally.pairs;
    } else if (error.starts_with("Truncation")) {
      ++tally.caller;
    } else if (!error.empty()) {
      EXPECT_FALSE(tokenizer.encode(text_of(row, "text")).has_value()) << text_of(row, "text");
      ++tally.refused;
    } else {
      ASSERT_TRUE(row.find("text")) << "row " << number;
      check_row(tokenizer, text_of(row, "text"), row, older, number, tally.texts);
    }
  }
}

/// Every set that lies in the shared data and is a tokenizer.json, or names one.
std::vector<std::string> json_sets() {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& folder : std::filesystem::directory_iterator(shared_data() / "tokenizers/trained", missing)) {
    const std::string name = folder.path().filename().string();
    if (!std::filesystem::exists(folder.path() / "expected.jsonl")) continue;
    if (std::filesystem::exists(folder.path() / "tokenizer.model")) continue;
    const auto first = Json::parse(first_line(folder.path() / "expected.jsonl"));
    if (first && text_of(*first, "file").ends_with(".model")) continue;  // sentencepiece_test.cpp
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  if (names.empty()) names.push_back("absent");
  return names;
}

class TrainedJson : public testing::TestWithParam<std::string> {};

TEST_P(TrainedJson, GivesTheIdsOffsetsAndTextsOfTheReference) {
  const std::string name = GetParam();
  VB_NEED_SHARED("tokenizers/trained/" + name);
  const auto rows = read_rows("tokenizers/trained/" + name + "/expected.jsonl");
  const auto tokenizer = load_shared_json(tokenizer_file(name, rows));
  VB_ASSERT_OK(tokenizer);
  Tally tally;
  check_rows(**tokenizer, rows, older_decodes(name), tally);
  const Score& score = tally.texts;
  EXPECT_GE(score.rows, 9);
  EXPECT_EQ(score.ids, score.rows) << score.misses;
  EXPECT_EQ(score.offsets, score.rows) << score.misses;
  EXPECT_EQ(score.decodes, score.rows) << score.misses;
  std::cout << name << ": ids " << score.ids << ", offsets " << score.offsets << ", decodes " << score.decodes << " of "
            << score.rows << "; refused " << tally.refused << "; pairs left out " << tally.pairs
            << "; truncation errors left out " << tally.caller << "\n";
}

INSTANTIATE_TEST_SUITE_P(Sets, TrainedJson, testing::ValuesIn(json_sets()),
                         [](const auto& param) { return param.param; });

TEST(TrainedSets, AreAllWalked) {
  VB_NEED_SHARED("tokenizers/trained");
  EXPECT_GE(json_sets().size(), 46u) << "sets with a tokenizer.json";
}

}  // namespace
}  // namespace vauban::test
