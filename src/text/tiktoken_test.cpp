// tiktoken rank files: the two that lie in the shared data against llama.cpp's rows and frozen answers of tiktoken itself.
#include <gtest/gtest.h>

#include "support/rank_file.h"
#include "text/expected_rows_test.h"

namespace vauban::test {
namespace {

Result<std::shared_ptr<const Tokenizer>> load_shared_ranks(const std::string& relative, const TokenizerHints& hints = {}) {
  return load_tiktoken(read_text(shared_data() / relative), hints);
}

void check_ggml_rows(const Tokenizer& tokenizer, const std::string& base) {
  const auto rows = read_ggml_rows(shared_data() / base);
  EXPECT_EQ(rows.size(), 46u);
  for (const auto& [text, want] : rows) {
    const auto got = tokenizer.encode(text, {.add_special = false, .parse_special = false});
    VB_ASSERT_OK(got);
    EXPECT_EQ(got->ids, want) << "'" << text << "'";
    EXPECT_EQ(tokenizer.decode(got->ids).value_or("error"), text);
  }
}

TEST(Tiktoken, Llama3GivesTheIdsOfItsPublishedTokenizer) {
  VB_NEED_SHARED("tokenizers/llama3/tokenizer.model");
  const auto tokenizer = load_shared_ranks("tokenizers/llama3/tokenizer.model");
  VB_ASSERT_OK(tokenizer);
  check_ggml_rows(**tokenizer, "tokenizers/ggml-vocab/ggml-vocab-llama-bpe.gguf");
  EXPECT_EQ((*tokenizer)->vocab_size(), 128256);
  EXPECT_EQ((*tokenizer)->bos(), 128000);
  EXPECT_EQ((*tokenizer)->eos(), 128001);
  EXPECT_EQ((*tokenizer)->piece(128255).value_or(""), "<|reserved_special_token_250|>");
  const std::vector<std::int32_t> want = {128000, 15339, 1917, 128009};
  EXPECT_EQ((*tokenizer)->encode("hello world<|eot_id|>")->ids, want);
  EXPECT_EQ((*tokenizer)->encode("<|begin_of_text|>hello world<|eot_id|>")->ids, want) << "a second BOS";
}

TEST(Tiktoken, QwenGivesTheIdsOfItsPublishedTokenizer) {
  VB_NEED_SHARED("tokenizers/qwen/qwen.tiktoken");
  const auto tokenizer = load_shared_ranks("tokenizers/qwen/qwen.tiktoken");
  VB_ASSERT_OK(tokenizer);
  check_ggml_rows(**tokenizer, "tokenizers/ggml-vocab/ggml-vocab-qwen2.gguf");
  EXPECT_EQ((*tokenizer)->vocab_size(), 151851);
  EXPECT_EQ((*tokenizer)->id_of("<|im_end|>"), 151645);
  EXPECT_EQ((*tokenizer)->bos(), std::nullopt);
}

TEST(Tiktoken, TakesItsSpecialTokensFromTokenizerConfig) {
  VB_NEED_SHARED("tokenizers/llama3/tokenizer.model");
  TokenizerHints hints;
  hints.tokenizer_config = Json::object(
      {{"added_tokens_decoder", Json::object({{"128000", Json::object({{"content", "<|begin_of_text|>"}, {"special", true}})},
                                              {"128010", Json::object({{"content", "<|python_tag|>"}, {"special", true}})}})}});
  const auto tokenizer = load_shared_ranks("tokenizers/llama3/tokenizer.model", hints);
  VB_ASSERT_OK(tokenizer);
  EXPECT_EQ((*tokenizer)->encode("<|python_tag|>")->ids, (std::vector<std::int32_t>{128000, 128010}));
  hints.tokenizer_config = Json::object({{"added_tokens_decoder", Json::object({{"2000000000", Json::object({{"content", "x"}})}})}});
  EXPECT_FALSE(load_shared_ranks("tokenizers/llama3/tokenizer.model", hints).has_value()) << "an id far above the vocabulary";
}

std::string bytes_file() {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (unsigned byte = 0; byte < 256; ++byte)
    out += format("{}{}== {}\n", kDigits[byte >> 2], kDigits[(byte & 3) << 4], byte);
  return out;
}

TEST(Tiktoken, RefusesWhatIsNotARankFile) {
  const auto code_of = [](const std::string& file) {
    const auto got = load_tiktoken(file);
    return got ? ErrorCode::internal : got.error().code;
  };
  EXPECT_EQ(code_of(bytes_file()), ErrorCode::unsupported) << "well formed, but nobody knows how it cuts";
  EXPECT_EQ(code_of(""), ErrorCode::corrupt);
  EXPECT_EQ(code_of("IQ== 0\n"), ErrorCode::corrupt) << "bytes are missing";
  for (const char* line : {"IQ==", "IQ== x", "IQ== -1", "IQ== 99999999999", "I 300", "\xFF\xFF== 300", " 300", "IQ== 300", "YWI= 3 4"})
    EXPECT_EQ(code_of(bytes_file() + line + "\n"), ErrorCode::corrupt) << line;
  EXPECT_EQ(code_of(bytes_file() + std::string(4 << 20, 'A') + " 300\n"), ErrorCode::corrupt) << "a token of 3 MB";
}

TEST(Tiktoken, TellsRankFilesFromSentencepieceModels) {
  EXPECT_TRUE(is_rank_file("IQ== 0\nIg== 1\n"));
  EXPECT_FALSE(is_rank_file(""));
  EXPECT_FALSE(is_rank_file("\n\x0E\n\x05<unk>\x15"));
}

}  // namespace
}  // namespace vauban::test
