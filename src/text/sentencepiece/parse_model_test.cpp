// Broken tokenizer.model files: refused with the byte offset, never a crash.
#include <gtest/gtest.h>
#include <random>

#include "base/result.h"
#include "support/test_data.h"
#include "text/sentencepiece/charsmap.h"
#include "text/sentencepiece/piece_model.h"
#include "text/tokenizer.h"

namespace vauban::test {
namespace {

std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  return out + static_cast<char>(value);
}
std::string field(int number, std::string_view bytes) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}
std::string field(int number, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(number) << 3) + varint(value);
}
std::string score(std::uint32_t bits) {
  std::string out = varint(2 << 3 | 5);
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(bits >> (8 * i)));
  return out;
}
std::string piece(std::string_view text, std::uint64_t type = 1) {
  return field(1, field(1, text) + score(0xBF800000) + field(3, type));
}

std::string small_model() {
  return piece("<unk>", 2) + piece("<s>", 3) + piece("\u2581") + piece("a") + field(2, field(3, std::uint64_t{2}));
}

std::string error_of(std::string_view bytes) {
  const auto got = load_sentencepiece(bytes);
  return got ? std::string("loaded") : std::string(to_string(got.error().code)) + ": " + got.error().message;
}

TEST(ParsePieceModel, ReadsASmallModel) {
  const auto model = parse_piece_model(small_model());
  VB_ASSERT_OK(model);
  ASSERT_EQ(model->pieces.size(), 4u);
  EXPECT_EQ(model->pieces[3].text, "a");
  EXPECT_EQ(model->pieces[3].score, -1.0f);
  EXPECT_EQ(model->algorithm, PieceAlgorithm::bpe);
  EXPECT_EQ(model->unknown_id, 0);
  EXPECT_EQ(model->bos, 1);
  EXPECT_EQ(model->eos, std::nullopt) << "id 2 is no control piece";
}

TEST(ParsePieceModel, RefusesBrokenFiles) {
  EXPECT_EQ(error_of(""), "corrupt: no pieces: not a SentencePiece model");
  EXPECT_NE(error_of("\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F").find("are left"), std::string::npos);
  EXPECT_NE(error_of("\x0A").find("ends inside"), std::string::npos);
  EXPECT_NE(error_of(std::string(11, '\xFF')).find("more than 10 bytes"), std::string::npos);
  EXPECT_NE(error_of("\x0B").find("wire type"), std::string::npos) << "groups are not used";
  EXPECT_NE(error_of(std::string(1, '\0')).find("is not one"), std::string::npos) << "field 0";
  EXPECT_NE(error_of(field(1, std::uint64_t{3})).find("wire type 0"), std::string::npos) << "a piece as a number";
  EXPECT_NE(error_of(field(1, field(1, std::uint64_t{3}))).find("wire type 0"), std::string::npos);
  EXPECT_NE(error_of(piece("")).find("without text"), std::string::npos);
  EXPECT_NE(error_of(piece("\xFF")).find("not UTF-8"), std::string::npos);
  EXPECT_NE(error_of(piece("a", 9)).find("piece type 9"), std::string::npos);
  EXPECT_NE(error_of(field(1, field(1, "a") + score(0x7FC00000))).find("not finite"), std::string::npos);
  EXPECT_NE(error_of(field(1, field(1, "a") + "\x15\x01")).find("ends inside"), std::string::npos);
  EXPECT_NE(error_of(piece("a")).find("unk_id 0"), std::string::npos) << "no unknown piece";
  EXPECT_NE(error_of(small_model() + field(2, field(3, std::uint64_t{7}))).find("unsupported"), std::string::npos);
  EXPECT_NE(error_of(small_model() + field(3, field(2, "abc"))).find("precompiled_charsmap"), std::string::npos);
  EXPECT_NE(error_of(small_model() + field(3, field(2, std::string("\x04\0\0\0abcdx", 9)))).find("does not end"),
            std::string::npos);
  EXPECT_NE(error_of(small_model() + field(5, field(2, "abc"))).find("denormalisation"), std::string::npos);
  EXPECT_EQ(error_of(small_model() + field(9, "extension") + varint(12 << 3 | 1) + std::string(8, 'x')), "loaded");
}

TEST(ParsePieceModel, TakesBosFromTheConfigAndRefusesTokensThatOnlyTheConfigHas) {
  TokenizerHints hints;
  hints.tokenizer_config = Json::object({{"add_bos_token", false}});
  const auto plain = load_sentencepiece(small_model(), hints);
  VB_ASSERT_OK(plain);
  EXPECT_EQ((*plain)->encode("a")->ids, (std::vector<std::int32_t>{2, 3}));
  const auto entry = [](const char* content) { return Json::object({{"content", content}}); };
  hints.tokenizer_config["added_tokens_decoder"] = Json::object({{"1", entry("<s>")}});
  VB_EXPECT_OK(load_sentencepiece(small_model(), hints));
  hints.tokenizer_config["added_tokens_decoder"]["4"] = entry("<extra>");
  const auto extra = load_sentencepiece(small_model(), hints);
  ASSERT_FALSE(extra.has_value());
  EXPECT_EQ(extra.error().code, ErrorCode::unsupported);
  EXPECT_NE(extra.error().message.find("<extra>"), std::string::npos);
}

TEST(ParsePieceModel, SurvivesFlippedAndCutFiles) {
  VB_NEED_SHARED("tokenizers/sentencepiece/test_model.model");
  const std::string whole = read_text(shared_data() / "tokenizers/sentencepiece/test_model.model").substr(0, 60'000);
  std::mt19937 rng(7);
  int loaded = 0;
  for (int round = 0; round < 150; ++round) {
    std::string file = whole;
    for (int flips = 0; flips < 4; ++flips) file[rng() % file.size()] ^= static_cast<char>(1u << (rng() % 8));
    file.resize(rng() % (file.size() + 1));
    const auto got = load_sentencepiece(file);
    if (!got) continue;
    ++loaded;
    const auto ids = (*got)->encode("Hello \u00e9 world");
    if (!ids) continue;
    VB_EXPECT_OK((*got)->decode(ids->ids));
  }
  SUCCEED() << loaded << " of 150 still loaded";
}

TEST(Charsmap, ChecksEveryIndexOfAHostileTrie) {
  std::mt19937 rng(11);
  for (int round = 0; round < 300; ++round) {
    std::string blob("\x40\0\0\0", 4);
    for (int i = 0; i < 64; ++i) blob.push_back(static_cast<char>(rng()));
    blob += std::string("x\0", 2);
    const auto map = Charsmap::parse(blob);
    VB_ASSERT_OK(map);
    for (int c = 0; c < 256; ++c) {
      const std::string text{static_cast<char>(c), 'a', 'b'};
      const auto rule = map->longest(text);
      EXPECT_LE(rule ? rule->size : 0, text.size());
    }
  }
}

}  // namespace
}  // namespace vauban::test
