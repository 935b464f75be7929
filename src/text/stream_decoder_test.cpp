// Streaming: the pieces joined are decode(), and no piece splits a code point, for random and hostile sequences.
#include <gtest/gtest.h>
#include <random>

#include "text/expected_rows_test.h"

namespace vauban::test {
namespace {

constexpr unsigned kSeed = 20260131;

/// A small SentencePiece-style tokenizer.json with all byte pieces at ids 3 to 258, then some text pieces.
std::string byte_fallback_json() {
  Json vocab = Json::object({{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}});
  for (int byte = 0; byte < 256; ++byte) vocab[format("<0x{:02X}>", byte)] = byte + 3;
  int id = 259;
  for (const char* piece : {"\u2581", "a", "\u2581a", "\u00e9", "\u2581\u2581", "b\u2581c"}) vocab[piece] = id++;
  const auto added = [](int token, const char* text) {
    return Json::object({{"id", token}, {"content", text}, {"special", true}, {"normalized", false}});
  };
  const Json space = Json::object({{"String", " "}}), mark = Json::object({{"String", "\u2581"}});
  const Json document = Json::object(
      {{"added_tokens", Json::array({added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")})},
       {"normalizer",
        Json::object(
            {{"type", "Sequence"},
             {"normalizers",
              Json::array({Json::object({{"type", "Prepend"}, {"prepend", "\u2581"}}),
                           Json::object({{"type", "Replace"}, {"pattern", space}, {"content", "\u2581"}})})}})},
       {"decoder",
        Json::object(
            {{"type", "Sequence"},
             {"decoders",
              Json::array({Json::object({{"type", "Replace"}, {"pattern", mark}, {"content", " "}}),
                           Json::object({{"type", "ByteFallback"}}), Json::object({{"type", "Fuse"}}),
                           Json::object({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}})})}})},
       {"model", Json::object({{"type", "BPE"},
                               {"unk_token", "<unk>"},
                               {"fuse_unk", true},
                               {"byte_fallback", true},
                               {"vocab", vocab},
                               {"merges", Json::array()}})}});
  return document.dump().value_or("");
}

/// Random ids, with long runs of bytes among them.
std::vector<std::int32_t> random_ids(std::mt19937& rng, std::int32_t vocabulary) {
  std::vector<std::int32_t> ids(rng() % 24);
  for (auto& id : ids) id = static_cast<std::int32_t>(rng() % static_cast<unsigned>(vocabulary));
  return ids;
}

void check_random_sequences(const Tokenizer& tokenizer, int rounds) {
  std::mt19937 rng(kSeed);
  for (int round = 0; round < rounds; ++round) {
    const auto ids = random_ids(rng, tokenizer.vocab_size());
    for (const bool skip : {true, false}) {
      const auto whole = tokenizer.decode(ids, skip);
      VB_ASSERT_OK(whole);
      ASSERT_EQ(streamed(tokenizer, ids, skip), *whole) << "seed " << kSeed << " round " << round << ":" << show(ids);
    }
  }
}

TEST(StreamDecoder, JoinsToDecodeForRandomByteFallbackSequences) {
  const auto tokenizer = load_tokenizer_json(byte_fallback_json());
  VB_ASSERT_OK(tokenizer);
  check_random_sequences(**tokenizer, 4000);
}

TEST(StreamDecoder, JoinsToDecodeForRandomSequencesOfEveryTrainedSet) {
  VB_NEED_SHARED("tokenizers/trained");
  int sets = 0;
  for (const auto& folder : std::filesystem::directory_iterator(shared_data() / "tokenizers/trained")) {
    std::optional<Result<std::shared_ptr<const Tokenizer>>> tokenizer;
    if (std::filesystem::exists(folder.path() / "tokenizer.json"))
      tokenizer = load_tokenizer_json(read_text(folder.path() / "tokenizer.json"));
    else if (std::filesystem::exists(folder.path() / "tokenizer.model"))
      tokenizer = load_sentencepiece(read_text(folder.path() / "tokenizer.model"));
    if (!tokenizer || !*tokenizer) continue;  // refused sets are counted in trained_sets_test.cpp
    SCOPED_TRACE(folder.path().filename().string());
    check_random_sequences(***tokenizer, 150);
    ++sets;
  }
  EXPECT_GE(sets, 32);
}

TEST(StreamDecoder, GivesTextOutAsSoonAsItIsCertain) {
  const auto tokenizer = load_tokenizer_json(byte_fallback_json());
  VB_ASSERT_OK(tokenizer);
  StreamDecoder stream(**tokenizer);
  EXPECT_EQ(stream.push(261).value_or("?"), "a") << "the leading space goes";
  EXPECT_EQ(stream.push(261).value_or("?"), " a");
  EXPECT_EQ(stream.push(3 + 0xC3).value_or("?"), "") << "half a character";
  EXPECT_EQ(stream.push(3 + 0xA9).value_or("?"), "") << "one more bad byte would spoil the whole run";
  EXPECT_EQ(stream.push(260).value_or("?"),
            "\u00e9"
            "a");
  EXPECT_EQ(stream.push(3 + 0xC3).value_or("?"), "");
  EXPECT_EQ(stream.finish().value_or("?"), "\uFFFD") << "an incomplete character at the end";
}

TEST(StreamDecoder, RefusesAnIdOutsideTheVocabulary) {
  const auto tokenizer = load_tokenizer_json(byte_fallback_json());
  VB_ASSERT_OK(tokenizer);
  StreamDecoder stream(**tokenizer);
  const auto got = stream.push(99999);
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().code, ErrorCode::invalid_input);
  EXPECT_EQ(stream.push(260).value_or("?"), "a") << "the bad id leaves no trace";
}

TEST(TokenBytes, AreWhatATokenAddsInTheMiddleOfAText) {
  const auto tokenizer = load_tokenizer_json(byte_fallback_json());
  VB_ASSERT_OK(tokenizer);
  EXPECT_EQ((*tokenizer)->token_bytes(261).value_or("?"), " a");
  EXPECT_EQ((*tokenizer)->token_bytes(3 + 0xC3).value_or("?"), "\xC3");
  EXPECT_EQ((*tokenizer)->token_bytes(1).value_or("?"), "<s>");
  EXPECT_FALSE((*tokenizer)->token_bytes(-1).has_value());
}

}  // namespace
}  // namespace vauban::test
