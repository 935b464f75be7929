// The pre types `llama-bpe` and `qwen2` on real vocabularies. Only tiktoken ranks of them lie in the shared data, so
// the merges that a GGUF would carry are worked out from the ranks first.
#include "text/gguf_pre.h"

#include <gtest/gtest.h>

#include "base/json_file.h"
#include "support/rank_file.h"
#include "text/expected_rows_test.h"
#include "text/pre_tokenizers/pre_tokenizer.h"

namespace vauban::test {
namespace {

Json gguf_keys_of_ranks(const std::string& relative, const char* pre) {
  const RankFile file = read_rank_file(shared_data() / relative);
  Json merges = Json::array();
  for (const auto& [left, right] : file.merges) merges.push_back(left + " " + right);
  return Json::object({{"tokenizer.ggml.model", "gpt2"},
                       {"tokenizer.ggml.pre", pre},
                       {"tokenizer.ggml.tokens", Json(file.tokens)},
                       {"tokenizer.ggml.merges", std::move(merges)}});
}

void check_ggml_rows(const Tokenizer& tokenizer, const std::string& base) {
  int good = 0;
  const auto rows = read_ggml_rows(shared_data() / base);
  for (const auto& [text, want] : rows) {
    const auto got = tokenizer.encode(text, {.add_special = false, .parse_special = false});
    VB_ASSERT_OK(got);
    EXPECT_EQ(got->ids, want) << "'" << text << "'";
    EXPECT_EQ(tokenizer.decode(got->ids).value_or("error"), text);
    good += got->ids == want ? 1 : 0;
  }
  EXPECT_EQ(rows.size(), 46u);
  std::cout << base << ": " << good << " of " << rows.size() << "\n";
}

TEST(GgufPre, LlamaBpeGivesTheIdsOfLlamaCpp) {
  VB_NEED_SHARED("tokenizers/llama3/tokenizer.model");
  const auto tokenizer = load_gguf_vocab(gguf_keys_of_ranks("tokenizers/llama3/tokenizer.model", "llama-bpe"));
  VB_ASSERT_OK(tokenizer);
  check_ggml_rows(**tokenizer, "tokenizers/ggml-vocab/ggml-vocab-llama-bpe.gguf");
}

TEST(GgufPre, Qwen2GivesTheIdsOfLlamaCpp) {
  VB_NEED_SHARED("tokenizers/qwen/qwen.tiktoken");
  const auto tokenizer = load_gguf_vocab(gguf_keys_of_ranks("tokenizers/qwen/qwen.tiktoken", "qwen2"));
  VB_ASSERT_OK(tokenizer);
  check_ggml_rows(**tokenizer, "tokenizers/ggml-vocab/ggml-vocab-qwen2.gguf");
}

Segments cut(const PreTokenizer& pre_tokenizer, const std::string& text) {
  Segments segments{AlignedText(text, 0), {}};
  if (!text.empty()) segments.pieces.push_back({0, text.size()});
  VB_EXPECT_OK(pre_tokenizer.apply(segments));
  return segments;
}

/// The cuts of a tokenizer.json are those of the reference library (components_test.cpp).
void check_cuts(const char* set, const char* pre) {
  const auto document = Json::parse(read_text(shared_data() / "tokenizers/trained" / set / "tokenizer.json"));
  VB_ASSERT_OK(document);
  const auto want = make_pre_tokenizer(*document->find("pre_tokenizer"));
  const auto type = find_gguf_pre(pre);
  VB_ASSERT_OK(want);
  VB_ASSERT_OK(type);
  const auto got = make_pattern_pre_tokenizer((*type)->patterns);
  VB_ASSERT_OK(got);
  const auto pool = Json::parse(read_text(shared_data() / "tokenizers/trained/components/pool.json"));
  VB_ASSERT_OK(pool);
  for (const Json& text : pool->items()) {
    const Segments a = cut(**want, text.as_string()), b = cut(**got, text.as_string());
    ASSERT_EQ(a.pieces.size(), b.pieces.size()) << pre << " on '" << text.as_string() << "'";
    for (std::size_t i = 0; i < a.pieces.size(); ++i) EXPECT_EQ(a.view(a.pieces[i]), b.view(b.pieces[i])) << pre;
  }
}

TEST(GgufPre, CutsAsTheTokenizersThatTheNamesStandFor) {
  VB_NEED_SHARED("tokenizers/trained/components/pool.json");
  check_cuts("bl_o200k", "gpt-4o");
  check_cuts("bl_deepseek_v3", "deepseek-v3");
  check_cuts("bl_bloom", "bloom");
  check_cuts("bl_qwen2", "qwen2");
}

/// The vocabulary of the frozen file, whose merges were trained on its texts uncut: wherever a cut falls, the tokens change.
std::shared_ptr<const Tokenizer> frozen_vocabulary(const Json& frozen, const std::string& pre) {
  const auto tokenizer = load_gguf_vocab(Json::object({{"tokenizer.ggml.model", "gpt2"},
                                                       {"tokenizer.ggml.pre", pre},
                                                       {"tokenizer.ggml.tokens", *frozen.find("tokens")},
                                                       {"tokenizer.ggml.merges", *frozen.find("merges")},
                                                       {"tokenizer.ggml.add_bos_token", false}}));
  EXPECT_TRUE(tokenizer.has_value()) << pre << ": " << describe(tokenizer.error());
  return tokenizer ? *tokenizer : nullptr;
}

/// Five groups are compared with the published tokenizers, from whose cuts llama.cpp's differ (pre_types.py says how).
TEST(GgufPre, EveryTypeGivesTheIdsOfLlamaCppOrOfThePublishedTokenizer) {
  const auto frozen = read_json_file(source_dir() / "tests/peers/llama_cpp/pre_types.json");
  VB_ASSERT_OK(frozen);
  const auto &texts = frozen->find("texts")->items(), &plain = frozen->find("gpt-2")->items();
  std::size_t proved = 0;
  for (const Json& group : frozen->find("groups")->items()) {
    for (const Json& name : group.find("names")->items()) {
      const auto tokenizer = frozen_vocabulary(*frozen, name.as_string());
      ASSERT_TRUE(tokenizer);
      ++proved;
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const Json* const own = group.find("ids")->find(std::to_string(i));
        const auto got = tokenizer->encode(texts[i].as_string(), {.add_special = false, .parse_special = false});
        VB_ASSERT_OK(got);
        EXPECT_EQ(got->ids, ids_of(own ? *own : plain[i])) << name.as_string() << " on '" << texts[i].as_string() << "'";
      }
    }
  }
  EXPECT_EQ(proved, all_gguf_pre_types().size()) << "a name that llama.cpp was not asked for (tests/peers/llama_cpp/pre_types.py)";
}

TEST(GgufPre, HasAPatternThatCompilesForEveryType) {
  for (const GgufPreType& type : all_gguf_pre_types()) {
    ASSERT_FALSE(type.patterns.empty()) << type.name;
    VB_EXPECT_OK(make_pattern_pre_tokenizer(type.patterns));
  }
}

TEST(GgufPre, NamesTheKnownTypesWhenItRefusesOne) {
  const auto got = find_gguf_pre("brand-new");
  ASSERT_FALSE(got.has_value());
  EXPECT_NE(got.error().message.find("llama-bpe"), std::string::npos);
}

/// Answers of transformers.js for published tokenizers, whose files lie in the shared data.
void check_published(const Tokenizer& tokenizer, const char* name, bool with_bos, int expected_rows) {
  const auto all = Json::parse(read_text(shared_data() / "tokenizers/transformersjs_expected.json"));
  VB_ASSERT_OK(all);
  int rows = 0;
  for (const auto& [key, row] : all->find(name)->entries()) {
    const auto got = tokenizer.encode(text_of(row, "text"), {.add_special = with_bos});
    VB_ASSERT_OK(got);
    EXPECT_EQ(got->ids, ids_of(*row.find("ids"))) << key << " '" << text_of(row, "text") << "'";
    ++rows;
  }
  EXPECT_EQ(rows, expected_rows);
}

TEST(PublishedTokenizers, Gpt2AgreesWithTransformersJs) {
  VB_NEED_SHARED("tokenizers/transformersjs_expected.json");
  const auto tokenizer = load_shared_json("tokenizers/gpt2/tokenizer.json");
  VB_ASSERT_OK(tokenizer);
  check_published(**tokenizer, "Xenova/gpt2", true, 26);
}

}  // namespace
}  // namespace vauban::test
