// Vocabularies of GGUF files: llama.cpp's own .inp/.out pairs, the models of the shared data, and broken keys.
#include <gtest/gtest.h>

#include "text/expected_rows_test.h"
#include "text/gguf_keys_test.h"
#include "text/gguf_pre.h"

namespace vauban::test {
namespace {

Result<std::shared_ptr<const Tokenizer>> load_shared_gguf(const std::string& relative) {
  const std::string file = read_text(shared_data() / relative);
  return load_gguf_vocab(GgufKeys(file).read());
}

std::vector<std::string> input_texts(const std::string& relative) {
  const std::string all = read_text(shared_data() / relative);
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = std::min(all.find(separator, at), all.size());
    texts.push_back(all.substr(at, end - at));
    at = end + separator.size();
  }
  return texts;
}

std::vector<std::vector<std::int32_t>> output_ids(const std::string& relative) {
  std::vector<std::vector<std::int32_t>> rows;
  const std::string all = read_text(shared_data() / relative);
  for (const std::string_view line : split(all, '\n')) {
    std::vector<std::int32_t> ids;
    for (const std::string_view number : split(line, ' '))
      if (!number.empty()) ids.push_back(static_cast<std::int32_t>(parse_int(number).value_or(-1)));
    rows.push_back(std::move(ids));
  }
  return rows;
}

class GgmlVocab : public testing::TestWithParam<const char*> {};

TEST_P(GgmlVocab, GivesTheIdsOfLlamaCppFor46HardTexts) {
  const std::string base = std::string("tokenizers/ggml-vocab/ggml-vocab-") + GetParam() + ".gguf";
  VB_NEED_SHARED(base);
  const auto tokenizer = load_shared_gguf(base);
  VB_ASSERT_OK(tokenizer);
  const auto texts = input_texts(base + ".inp");
  const auto rows = output_ids(base + ".out");
  ASSERT_EQ(texts.size(), 46u);
  ASSERT_GE(rows.size(), texts.size());
  int good = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto got = (*tokenizer)->encode(texts[i], {.add_special = false, .parse_special = false});
    VB_ASSERT_OK(got);
    EXPECT_EQ(got->ids, rows[i]) << "row " << i << " '" << texts[i] << "'";
    EXPECT_EQ((*tokenizer)->decode(got->ids).value_or("error"), texts[i]);
    EXPECT_EQ(streamed(**tokenizer, got->ids, true), texts[i]);
    good += got->ids == rows[i] ? 1 : 0;
  }
  std::cout << GetParam() << ": " << good << " of " << texts.size() << " (" << (*tokenizer)->kind() << ")\n";
}

INSTANTIATE_TEST_SUITE_P(Files, GgmlVocab, testing::Values("llama-spm", "phi-3", "gpt-2", "falcon"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

void check_run_cases(const Tokenizer& tokenizer, const char* golden_file) {
  const auto golden = Json::parse(read_text(shared_data() / golden_file));
  VB_ASSERT_OK(golden);
  ASSERT_GT(golden->find("cases")->size(), 0u);
  for (const Json& row : golden->find("cases")->items()) {
    const auto got = tokenizer.encode(text_of(row, "prompt"));
    VB_ASSERT_OK(got);
    EXPECT_EQ(got->ids, ids_of(*row.find("ids"))) << text_of(row, "prompt");
  }
}

TEST(Stories260K, HasTheSameIdsInAllThreeFormats) {
  VB_NEED_SHARED("golden/stories260K_runc.json");
  const auto json = load_shared_json("models/stories260K/hf/tokenizer.json");
  const auto model = load_sentencepiece(read_text(shared_data() / "models/stories260K/hf/tokenizer.model"));
  const auto gguf = load_shared_gguf("models/gguf/stories260K-F32.gguf");
  VB_ASSERT_OK(json);
  VB_ASSERT_OK(model);
  VB_ASSERT_OK(gguf);
  for (const auto& tokenizer : {*json, *model, *gguf}) {
    check_run_cases(*tokenizer, "golden/stories260K_runc.json");
    EXPECT_EQ(tokenizer->bos(), 1);
    EXPECT_EQ(tokenizer->eos().value_or(2), 2);
    EXPECT_EQ(tokenizer->vocab_size(), 512);
    EXPECT_EQ(tokenizer->kind(), "bpe-bytefallback");
  }
}

TEST(TinyStories656K, HasTheSameIdsInBothFormats) {
  VB_NEED_SHARED("golden/TinyStories-656K_runc.json");
  const auto json = load_shared_json("models/TinyStories-656K/tokenizer.json");
  const auto gguf = load_shared_gguf("models/gguf/TinyStories-656K-F32.gguf");
  VB_ASSERT_OK(json);
  VB_ASSERT_OK(gguf);
  for (const auto& tokenizer : {*json, *gguf}) {
    check_run_cases(*tokenizer, "golden/TinyStories-656K_runc.json");
    EXPECT_EQ(tokenizer->bos(), 1);
  }
}

/// A small llama vocabulary.
Json llama_keys() {
  return Json::object(
      {{"tokenizer.ggml.model", "llama"},
       {"tokenizer.ggml.tokens", Json::array({"<unk>", "<s>", "</s>", "\u2581", "a", "\u2581a", "<0x62>"})},
       {"tokenizer.ggml.scores", Json::array({0, 0, 0, -1, -2, -3, 0})},
       {"tokenizer.ggml.token_type", Json::array({2, 3, 3, 1, 1, 1, 6})},
       {"tokenizer.ggml.bos_token_id", 1},
       {"tokenizer.ggml.eos_token_id", 2},
       {"tokenizer.ggml.unknown_token_id", 0}});
}

std::vector<std::int32_t> ids_with(const Json& keys, std::string_view text) {
  const auto tokenizer = load_gguf_vocab(keys);
  if (!tokenizer) return {-1};
  const auto got = (*tokenizer)->encode(text);
  return got ? got->ids : std::vector<std::int32_t>{-2};
}

using Ids = std::vector<std::int32_t>;

TEST(GgufVocab, FollowsTheKeysForBosEosAndTheLeadingSpace) {
  Json keys = llama_keys();
  EXPECT_EQ(ids_with(keys, "a"), (Ids{1, 5}));
  keys["tokenizer.ggml.add_bos_token"] = false;
  EXPECT_EQ(ids_with(keys, "a"), (Ids{5}));
  keys["tokenizer.ggml.add_space_prefix"] = false;
  EXPECT_EQ(ids_with(keys, "a"), (Ids{4}));
  keys["tokenizer.ggml.add_eos_token"] = true;
  EXPECT_EQ(ids_with(keys, "a"), (Ids{4, 2}));
}

TEST(GgufVocab, NeverGivesTwoBos) {
  EXPECT_EQ(ids_with(llama_keys(), "<s>a"), (Ids{1, 5}));
  EXPECT_EQ(ids_with(llama_keys(), "<s>"), (Ids{1}));
}

TEST(GgufVocab, LeavesSpecialTextAloneWhenAsked) {
  const auto tokenizer = load_gguf_vocab(llama_keys());
  VB_ASSERT_OK(tokenizer);
  const auto got = (*tokenizer)->encode("<s>", {.add_special = false, .parse_special = false});
  VB_ASSERT_OK(got);
  EXPECT_EQ(got->ids, (Ids{3, 0})) << "space mark, then one unknown for three unknown characters";
}

TEST(GgufVocab, UsesBytePiecesAndTheUnknownToken) {
  EXPECT_EQ(ids_with(llama_keys(), "ab"), (Ids{1, 5, 6}));
  EXPECT_EQ(ids_with(llama_keys(), "azz"), (Ids{1, 5, 0}));
  Json keys = llama_keys();
  keys["tokenizer.ggml.unknown_token_id"] = 4294967295;
  EXPECT_EQ(ids_with(keys, "az"), (Ids{-2})) << "without an unknown token this is an error, not silence";
}

TEST(GgufVocab, RefusesBrokenKeys) {
  const auto code_with = [](const std::string& key, Json value) {
    Json keys = llama_keys();
    keys["tokenizer.ggml." + key] = std::move(value);
    const auto tokenizer = load_gguf_vocab(keys);
    return tokenizer ? std::string("loaded") : std::string(to_string(tokenizer.error().code));
  };
  EXPECT_EQ(code_with("model", "bert"), "unsupported");
  EXPECT_EQ(code_with("model", 3), "corrupt");
  EXPECT_EQ(code_with("tokens", Json::array()), "corrupt");
  EXPECT_EQ(code_with("tokens", Json::array({1, 2})), "corrupt");
  EXPECT_EQ(code_with("scores", Json::array({0.5})), "corrupt");
  EXPECT_EQ(code_with("scores", Json()), "corrupt");
  EXPECT_EQ(code_with("token_type", Json::array({2, 3, 3, 1, 1, 1, 9})), "corrupt");
  EXPECT_EQ(code_with("bos_token_id", 7), "corrupt");
  EXPECT_EQ(code_with("add_bos_token", "yes"), "corrupt");
  EXPECT_EQ(code_with("precompiled_charsmap", Json::array({1, 0, 0})), "corrupt");
  EXPECT_EQ(code_with("precompiled_charsmap", Json::array({"x"})), "corrupt");
}

Json gpt2_keys() {
  return Json::object({{"tokenizer.ggml.model", "gpt2"},
                       {"tokenizer.ggml.pre", "gpt-2"},
                       {"tokenizer.ggml.tokens", Json::array({"a", "b", "ab", "\u0120", "\u0120ab", "<end>"})},
                       {"tokenizer.ggml.token_type", Json::array({1, 1, 1, 1, 1, 3})},
                       {"tokenizer.ggml.merges", Json::array({"a b", "\u0120 ab"})},
                       {"tokenizer.ggml.bos_token_id", 5}});
}

TEST(GgufVocab, RunsByteLevelMerges) {
  EXPECT_EQ(ids_with(gpt2_keys(), "ab ab<end>"), (Ids{2, 4, 5}));
  Json keys = gpt2_keys();
  keys["tokenizer.ggml.pre"] = "llama-bpe";
  EXPECT_EQ(ids_with(keys, "ab"), (Ids{5, 2})) << "llama-bpe adds BOS unless the file says otherwise";
}

TEST(GgufVocab, RefusesUnknownPreTypesAndBrokenMerges) {
  Json keys = gpt2_keys();
  keys["tokenizer.ggml.pre"] = "brand-new";
  const auto unknown = load_gguf_vocab(keys);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::unsupported);
  EXPECT_NE(unknown.error().message.find("brand-new"), std::string::npos);
  for (Json merges : {Json::array({"ab"}), Json::array({"a x"}), Json::array({3}), Json("a b")}) {
    keys = gpt2_keys();
    keys["tokenizer.ggml.merges"] = std::move(merges);
    const auto broken = load_gguf_vocab(keys);
    ASSERT_FALSE(broken.has_value());
    EXPECT_EQ(broken.error().code, ErrorCode::corrupt);
  }
}

TEST(GgufVocab, KnowsThePreTypesByName) {
  for (const char* name : {"default", "gpt-2", "llama-bpe", "llama3", "qwen2", "falcon", "starcoder", "command-r"}) {
    Json keys = gpt2_keys();
    keys["tokenizer.ggml.pre"] = name;
    VB_EXPECT_OK(load_gguf_vocab(keys));
  }
}

}  // namespace
}  // namespace vauban::test
