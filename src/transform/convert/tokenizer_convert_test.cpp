// Vocabularies of every kind, to GGUF keys and back: the ids must stay, or the conversion must say why it cannot.
#include <gmock/gmock.h>

#include <set>

#include "base/json_file.h"
#include "base/result.h"
#include "model/model.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "text/sentencepiece/piece_model.h"
#include "transform/convert/tokenizer_probe.h"
#include "transform/convert/tokenizer_to_gguf.h"
#include "transform/convert/tokenizer_to_hf.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using test::shared_data;
using test::TempDir;

class TokenizerConvert : public testing::Test {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", test::TinyModelOptions{}));
    source_ = *ModelSource::open(work_ / "tiny");
    source_.tokenizer_json.reset();
    source_.tokenizer_config = source_.special_tokens_map = source_.generation_config = Json();
  }
  /// The source with a tokenizer of the shared data.
  ModelSource with_tokenizer(const fs::path& folder) const {
    ModelSource source = source_;
    if (fs::exists(folder / "tokenizer.json")) source.tokenizer_json = folder / "tokenizer.json";
    if (fs::exists(folder / "tokenizer.model")) source.tokenizer_model = folder / "tokenizer.model";
    if (fs::exists(folder / "tokenizer_config.json")) source.tokenizer_config = *read_json_file(folder / "tokenizer_config.json");
    return source;
  }
  static Json metadata_of(const std::vector<GgufKey>& keys) {
    Json metadata = Json::object();
    for (const GgufKey& key : keys) metadata[key.name] = key.value;
    return metadata;
  }
  /// Keys, and the tokenizer.json made of them, both give the ids of the source. Returns the error of the way there.
  Result<void> expect_both_ways(const ModelSource& source) {
    VB_TRY(const auto tokenizer, load_tokenizer(source));
    ModelConfig config;
    config.vocab_size = tokenizer->vocab_size();
    VB_TRY(const GgufTokenizer made, tokenizer_to_gguf(source, config));
    const Json metadata = metadata_of(made.keys);
    const auto gguf = load_gguf_vocab(metadata);
    EXPECT_TRUE(gguf.has_value());
    EXPECT_EQ(first_difference(*tokenizer, **gguf).value(), "");
    EXPECT_EQ((*gguf)->bos(), tokenizer->bos());
    const auto json = tokenizer_json_from_keys(metadata);
    EXPECT_TRUE(json.has_value()) << describe(json.error());
    const auto back = load_tokenizer_json(*json->dump());
    EXPECT_TRUE(back.has_value()) << describe(back.error());
    if (back) {
      EXPECT_EQ(first_difference(*tokenizer, **back).value(), "");
    }
    return ok();
  }

  TempDir work_;
  ModelSource source_;
};

TEST_F(TokenizerConvert, EveryTrainedVocabularyIsConvertedExactlyOrRefusedWithAReason) {
  VB_NEED_SHARED("tokenizers/trained");
  std::set<std::string> converted;
  for (const auto& at : fs::directory_iterator(shared_data() / "tokenizers/trained")) {
    const std::string name = at.path().filename().string();
    const ModelSource source = with_tokenizer(at.path());
    if (!source.tokenizer_json && !source.tokenizer_model) continue;
    if (!load_tokenizer(source)) continue;
    SCOPED_TRACE(name);
    const auto done = expect_both_ways(source);
    if (done) converted.insert(name);
    std::printf("%-28s %s\n", name.c_str(), done ? "converted" : describe(done.error()).substr(0, 180).c_str());
  }
  for (const char* name : {"bl_gpt2", "bl_llama3_ignore_merges", "llama2_legacy"}) EXPECT_TRUE(converted.contains(name)) << name;
  for (const char* name : {"wp_cased", "uni_albert", "bl_gpt2_prefix_trim", "bl_clip"}) EXPECT_FALSE(converted.contains(name)) << name;
}

TEST_F(TokenizerConvert, Llama2sModelFileTravelsBothWays) {
  VB_NEED_SHARED("tokenizers/llama2/tokenizer.model");
  const ModelSource source = with_tokenizer(shared_data() / "tokenizers/llama2");
  const auto tokenizer = load_tokenizer(source);
  ModelConfig config;
  config.vocab_size = 32000;
  const auto made = tokenizer_to_gguf(source, config);
  VB_ASSERT_OK(made);
  const Json metadata = metadata_of(made->keys);
  // llama.cpp's own vocabulary file says the same.
  const auto expected = ModelSource::open(shared_data() / "tokenizers/ggml-vocab/ggml-vocab-llama-spm.gguf");
  VB_ASSERT_OK(expected);
  for (const auto& [key, value] : expected->file->metadata().entries())
    if (key.starts_with("tokenizer.ggml.") && key != "tokenizer.ggml.unknown_token_id") {
      ASSERT_NE(metadata.find(key), nullptr) << key;
      EXPECT_TRUE(*metadata.find(key) == value) << key;
    }
}

TEST_F(TokenizerConvert, APieceModelIsReadBackAsItWasWritten) {
  PieceModel model;
  model.algorithm = PieceAlgorithm::bpe;
  model.byte_fallback = true;
  model.add_dummy_prefix = false;
  model.remove_extra_whitespaces = false;
  model.unknown_surface = "??";
  model.pieces = {{"<unk>", 0, PieceType::unknown}, {"<s>", 0, PieceType::control}, {"</s>", 0, PieceType::control},
                  {"<0x00>", 0, PieceType::byte}, {"\xE2\x96\x81" "a", -1.5F, PieceType::normal}};
  model.unknown_id = 0;
  model.bos = 1;
  const auto back = parse_piece_model(write_piece_model(model));
  VB_ASSERT_OK(back);
  ASSERT_EQ(back->pieces.size(), model.pieces.size());
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    EXPECT_EQ(back->pieces[i].text, model.pieces[i].text);
    EXPECT_EQ(back->pieces[i].score, model.pieces[i].score);
    EXPECT_EQ(back->pieces[i].type, model.pieces[i].type);
  }
  EXPECT_EQ(back->algorithm, PieceAlgorithm::bpe);
  EXPECT_TRUE(back->byte_fallback);
  EXPECT_FALSE(back->add_dummy_prefix);
  EXPECT_FALSE(back->remove_extra_whitespaces);
  EXPECT_EQ(back->unknown_surface, "??");
  EXPECT_EQ(back->unknown_id, 0);
  EXPECT_EQ(back->bos, 1);
  EXPECT_EQ(back->eos, std::nullopt);
}

TEST_F(TokenizerConvert, PreTypesAreFoundByWhatTheyCut) {
  const auto split = [](const char* pattern) {
    return Json::object({{"type", "Sequence"},
                         {"pretokenizers", Json::array({Json::object({{"type", "Split"}, {"pattern", Json::object({{"Regex", pattern}})},
                                                                      {"behavior", "Isolated"}, {"invert", false}}),
                                                        Json::object({{"type", "ByteLevel"}, {"add_prefix_space", false},
                                                                      {"trim_offsets", true}, {"use_regex", false}})})}});
  };
  const char* llama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const auto expect_found = [](const Json& pre_tokenizer, bool ignore_merges, const char* name) {
    const auto found = find_pre_type(pre_tokenizer, ignore_merges);
    VB_ASSERT_OK(found);
    EXPECT_EQ(*found, name);
  };
  expect_found(split(llama3), true, "llama-bpe");
  expect_found(split(llama3), false, "dbrx");
  const Json gpt2 = Json::object({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}});
  expect_found(gpt2, false, "gpt-2");
  EXPECT_FALSE(find_pre_type(gpt2, true).has_value());
  EXPECT_FALSE(find_pre_type(split(R"(\p{N}{1,4}|\D+)"), false).has_value());
}

TEST_F(TokenizerConvert, ProbesSeeOneChangedMerge) {
  VB_NEED_SHARED("tokenizers/gpt2/tokenizer.json");
  Json document = *read_json_file(shared_data() / "tokenizers/gpt2/tokenizer.json");
  const auto before = load_tokenizer_json(*document.dump());
  Json::Array merges = document.find("model")->find("merges")->items();
  std::swap(merges[40000], merges[100]);
  document["model"]["merges"] = Json(merges);
  const auto after = load_tokenizer_json(*document.dump());
  VB_ASSERT_OK(after);
  EXPECT_EQ(first_difference(**before, **before).value(), "");
  EXPECT_NE(first_difference(**before, **after).value(), "");
}

TEST_F(TokenizerConvert, PaddingRowsGetNamesAndMissingRowsAreRefused) {
  VB_NEED_SHARED("models/stories260K/hf");
  const ModelSource source = with_tokenizer(shared_data() / "models/stories260K/hf");
  ModelConfig config;
  config.vocab_size = 520;
  const auto made = tokenizer_to_gguf(source, config);
  VB_ASSERT_OK(made);
  const Json metadata = metadata_of(made->keys);
  EXPECT_EQ(metadata.find("tokenizer.ggml.tokens")->items()[519].as_string(), "[PAD519]");
  EXPECT_EQ(metadata.find("tokenizer.ggml.token_type")->items()[519].as_int(), 5);
  config.vocab_size = 500;
  EXPECT_EQ(tokenizer_to_gguf(source, config).error().code, ErrorCode::corrupt);
}

TEST_F(TokenizerConvert, EveryEndOfTextHasAPlace) {
  VB_NEED_SHARED("models/stories260K/hf");
  const ModelSource source = with_tokenizer(shared_data() / "models/stories260K/hf");
  ModelConfig config;
  config.vocab_size = 512;
  config.eos_ids = {7, 2, 9};
  const Json metadata = metadata_of(tokenizer_to_gguf(source, config)->keys);
  EXPECT_EQ(metadata.find("tokenizer.ggml.eos_token_id")->as_int(), 2);
  EXPECT_EQ(metadata.find("tokenizer.ggml.eot_token_id")->as_int(), 7);
  EXPECT_EQ(metadata.find("tokenizer.ggml.eom_token_id")->as_int(), 9);
  config.eos_ids = {7, 2, 9, 11};
  EXPECT_EQ(tokenizer_to_gguf(source, config).error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace vauban
