// The pre types `llama-bpe` and `qwen2` on real vocabularies. Only tiktoken ranks of them lie in the shared data, so
// the merges that a GGUF would carry are worked out from the ranks first.
#include "text/gguf_pre.h"

#include <gtest/gtest.h>
#include <unordered_map>

#include "text/byte_alphabet.h"
#include "text/expected_rows_test.h"

namespace vauban::test {
namespace {

std::string from_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    const auto digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<unsigned>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return out;
}

std::string letters(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) out += letter_of(static_cast<std::uint8_t>(byte));
  return out;
}

using Ranks = std::unordered_map<std::string, std::size_t>;

/// The two tokens that were joined to make `token`: merging its bytes by rank, below its own, until two are left.
std::pair<std::string, std::string> parents(const std::string& token, std::size_t rank, const Ranks& ranks) {
  std::vector<std::string> parts;
  for (const char byte : token) parts.emplace_back(1, byte);
  while (parts.size() > 2) {
    std::size_t best = rank, at = parts.size();
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      const auto entry = ranks.find(parts[i] + parts[i + 1]);
      if (entry != ranks.end() && entry->second < best) best = entry->second, at = i;
    }
    if (at == parts.size()) return {};  // no merge reaches this token
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  return {parts[0], parts[1]};
}

Json gguf_keys_of_ranks(const std::string& relative, const char* pre) {
  std::vector<std::string> tokens;
  const std::string file = read_text(shared_data() / relative);
  for (const std::string_view line : split(file, '\n'))
    if (line.find(' ') != std::string_view::npos) tokens.push_back(from_base64(line.substr(0, line.find(' '))));
  Ranks ranks;
  for (std::size_t i = 0; i < tokens.size(); ++i) ranks.emplace(tokens[i], i);
  Json texts = Json::array(), merges = Json::array();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    texts.push_back(letters(tokens[i]));
    if (tokens[i].size() < 2) continue;
    const auto [left, right] = parents(tokens[i], i, ranks);
    if (!left.empty()) merges.push_back(letters(left) + " " + letters(right));
  }
  return Json::object({{"tokenizer.ggml.model", "gpt2"},
                       {"tokenizer.ggml.pre", pre},
                       {"tokenizer.ggml.tokens", std::move(texts)},
                       {"tokenizer.ggml.merges", std::move(merges)}});
}

void check_ggml_rows(const Tokenizer& tokenizer, const std::string& base) {
  const std::string inputs = read_text(shared_data() / (base + ".inp"));
  const std::string outputs = read_text(shared_data() / (base + ".out"));
  const auto rows = split(outputs, '\n');
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::size_t row = 0;
  int good = 0;
  for (std::size_t at = 0; at < inputs.size(); ++row) {
    const std::size_t end = std::min(inputs.find(separator, at), inputs.size());
    const std::string text = inputs.substr(at, end - at);
    at = end + separator.size();
    std::vector<std::int32_t> want;
    for (const std::string_view number : split(rows[row], ' '))
      if (!number.empty()) want.push_back(static_cast<std::int32_t>(parse_int(number).value_or(-1)));
    const auto got = tokenizer.encode(text, {.add_special = false, .parse_special = false});
    VB_ASSERT_OK(got);
    EXPECT_EQ(got->ids, want) << "'" << text << "'";
    EXPECT_EQ(tokenizer.decode(got->ids).value_or("error"), text);
    good += got->ids == want ? 1 : 0;
  }
  EXPECT_EQ(row, 46u);
  std::cout << base << ": " << good << " of " << row << "\n";
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
