// Every tokenizer.json of the shared data: all rows, single texts, pairs and batches, with the windows of truncated ones, padding,
// type ids and masks, and the decodes.
#include <algorithm>
#include <gtest/gtest.h>

#include "text/expected_rows_test.h"
#include "text/inputs/encode_inputs.h"

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

/// What the reference and vauban are compared by, of one window.
struct Window {
  std::vector<std::int32_t> ids, type_ids;
  std::vector<TokenSpan> offsets;  ///< code points
  std::vector<bool> attended, beside;
};

std::vector<bool> flags_of(const Json& list) {
  std::vector<bool> out;
  for (const Json& value : list.items()) out.push_back(value.as_int() != 0);
  return out;
}

/// `form` of a row, a member of a batch, or an overflowing window. Masks and types that are not given are the usual ones.
Window window_of(const Json& row) {
  Window out{.ids = ids_of(*row.find("ids")), .type_ids = {}, .offsets = spans_of(*row.find("offsets")), .attended = {}, .beside = {}};
  const Json *const types = row.find("type_ids"), *const attention = row.find("attention_mask"),
                    *const special = row.find("special_tokens_mask");
  out.type_ids = types ? ids_of(*types) : std::vector<std::int32_t>(out.ids.size(), 0);
  out.attended = attention ? flags_of(*attention) : std::vector<bool>(out.ids.size(), true);
  if (special) out.beside = flags_of(*special);
  return out;
}

Window window_of(const ModelInput& input, const TextInput& of) {
  Window out{.ids = input.tokens.ids, .type_ids = input.type_ids, .offsets = {}, .attended = input.attended, .beside = {}};
  const auto in_first = in_code_points(input.tokens.offsets, of.text);
  const auto in_second = in_code_points(input.tokens.offsets, of.pair.value_or(of.text));
  for (std::size_t i = 0; i < out.ids.size(); ++i) {
    out.offsets.push_back(input.sequences[i] == 1 ? in_second[i] : in_first[i]);
    out.beside.push_back(input.sequences[i] < 0);
  }
  return out;
}

/// The reference puts a second BOS before a text that begins with one; vauban never does.
void drop_second_bos(const Tokenizer& tokenizer, Window& window) {
  for (std::size_t i = 0; tokenizer.bos() && i + 1 < window.ids.size(); ++i) {
    if (window.ids[i] != *tokenizer.bos() || window.ids[i + 1] != window.ids[i]) continue;
    const bool tail_is_special = window.beside.empty() ? i > 0 : !window.beside[i] || window.beside[i + 1];
    if (tail_is_special) continue;
    const auto at = static_cast<std::ptrdiff_t>(i);
    window.ids.erase(window.ids.begin() + at);
    window.type_ids.erase(window.type_ids.begin() + at);
    window.offsets.erase(window.offsets.begin() + at);
    window.attended.erase(window.attended.begin() + at);
    if (!window.beside.empty()) window.beside.erase(window.beside.begin() + at);
  }
}

bool same_but_offsets(const Window& got, const Window& want) {
  return got.ids == want.ids && got.type_ids == want.type_ids && got.attended == want.attended &&
         (want.beside.empty() || got.beside == want.beside);
}

/// An input as the reference encoded it.
void check_encoding(const Tokenizer& tokenizer, const EncodedInput& got, const TextInput& of, const Json& row, std::int64_t number,
                    Score& score) {
  const Json* const overflowing = row.find("overflowing");
  std::vector<Window> want = {window_of(row)}, have = {window_of(got.input, of)};
  for (std::size_t i = 0; overflowing && i < overflowing->size(); ++i) {
    const Json& window = overflowing->items()[i];
    if (window.is_object()) {
      want.push_back(window_of(window));
      continue;
    }
    want.push_back({});  // in a batch, ids alone
    if (i < got.overflowing.size()) want.back() = window_of(got.overflowing[i], of);
    want.back().ids = ids_of(window);
  }
  for (const ModelInput& window : got.overflowing) have.push_back(window_of(window, of));
  ++score.rows;
  bool ids = want.size() == have.size(), offsets = ids;
  for (std::size_t i = 0; i < want.size() && i < have.size(); ++i) {
    drop_second_bos(tokenizer, want[i]);
    ids = ids && same_but_offsets(have[i], want[i]);
    offsets = offsets && have[i].offsets == want[i].offsets;
  }
  const std::string where = format("row {} '{}' '{}': {} windows of {}", number, of.text, of.pair.value_or(""), have.size(), want.size());
  score.count(score.ids, ids, where + "\n  ids" + show(have[0].ids) + "\n want" + show(want[0].ids));
  score.count(score.offsets, offsets, where + "\n  offsets" + show(have[0].offsets) + "\n     want" + show(want[0].offsets));
}

TextInput input_of(const Json& text) {
  if (text.is_string()) return {text.as_string(), std::nullopt};
  return {text.items()[0].as_string(), text.items()[1].as_string()};
}

/// The row's text or texts without what the tokenizer adds.
void check_plain(const Tokenizer& tokenizer, const TextInput& input, const Json& row, std::int64_t number) {
  const Json *const ids = row.find("plain_ids"), *const offsets = row.find("plain_offsets");
  if (!ids) return;
  const auto got = encode_inputs(tokenizer, std::span(&input, 1), tokenizer.input_rules(), {.add_special = false});
  ASSERT_TRUE(got.has_value()) << describe(got.error());
  EXPECT_EQ(got->front().input.tokens.ids, ids_of(*ids)) << "row " << number;
  if (offsets) {
    EXPECT_TRUE(window_of(got->front().input, input).offsets == spans_of(*offsets)) << "row " << number;
  }
}

void check_row(const Tokenizer& tokenizer, const TextInput& input, const Json& row, const std::vector<Json>& older, std::int64_t number,
               Score& score) {
  const auto got = encode_inputs(tokenizer, std::span(&input, 1), tokenizer.input_rules());
  ASSERT_TRUE(got.has_value()) << describe(got.error());
  check_encoding(tokenizer, got->front(), input, row, number, score);
  check_plain(tokenizer, input, row, number);
  if (!input.pair && !tokenizer.input_rules().truncation && !tokenizer.input_rules().padding) {
    EXPECT_EQ(tokenizer.encode(input.text)->ids, got->front().input.tokens.ids) << "row " << number;
  }
  score.count(score.decodes, decodes_as(tokenizer, ids_of(*row.find("ids")), row, older, number), format("row {} decodes otherwise", number));
}

void check_batch(const Tokenizer& tokenizer, const std::vector<TextInput>& inputs, const Json& row, std::int64_t number, Score& score) {
  const auto got = encode_inputs(tokenizer, inputs, tokenizer.input_rules());
  if (row.find("error")) {
    EXPECT_FALSE(got.has_value()) << "row " << number;
    return;
  }
  ASSERT_TRUE(got.has_value()) << describe(got.error());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check_encoding(tokenizer, (*got)[i], inputs[i], row.find("encodings")->items()[i], number, score);
    ++score.decodes;  // the rows of a batch have none
  }
}

/// What became of all rows of a set.
struct Tally {
  Score texts;
  int refused = 0;  ///< inputs that the reference refuses, and so do we
};

void check_rows(const Tokenizer& tokenizer, const std::vector<Json>& rows, const std::vector<Json>& older, Tally& tally) {
  std::int64_t number = -1;
  for (const Json& row : rows) {
    ++number;
    if (row.find("file")) continue;  // names the tokenizer
    std::vector<TextInput> inputs;
    if (const Json* batch = row.find("batch")) {
      for (const Json& text : batch->items()) inputs.push_back(input_of(text));
      check_batch(tokenizer, inputs, row, number, tally.texts);
      tally.refused += row.find("error") != nullptr;
      continue;
    }
    ASSERT_TRUE(row.find("text")) << "row " << number;
    inputs.push_back({text_of(row, "text"), row.find("pair") ? std::optional(text_of(row, "pair")) : std::nullopt});
    if (row.find("error")) {
      EXPECT_FALSE(encode_inputs(tokenizer, inputs, tokenizer.input_rules()).has_value()) << inputs.front().text;
      ++tally.refused;
    } else {
      check_row(tokenizer, inputs.front(), row, older, number, tally.texts);
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
            << score.rows << "; refused " << tally.refused << "\n";
}

INSTANTIATE_TEST_SUITE_P(Sets, TrainedJson, testing::ValuesIn(json_sets()),
                         [](const auto& param) { return param.param; });

TEST(TrainedSets, AreAllWalked) {
  VB_NEED_SHARED("tokenizers/trained");
  EXPECT_GE(json_sets().size(), 46u) << "sets with a tokenizer.json";
}

}  // namespace
}  // namespace vauban::test
