#include <gtest/gtest.h>

#include "base/files.h"
#include "model/model.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

std::vector<std::int32_t> ids_of(const Tokenizer& tokenizer, std::string_view text) {
  const auto encoding = tokenizer.encode(text);
  return encoding ? encoding->ids : std::vector<std::int32_t>{};
}

TEST(LoadTokenizer, TheFolderAndTheBareFileGiveTheSame) {
  const TempDir folder;
  VB_ASSERT_OK(write_tiny_model(folder.path()));
  const auto source = ModelSource::open(folder.path());
  VB_ASSERT_OK(source);
  const auto from_folder = load_tokenizer(*source);
  const auto from_file = load_tokenizer_file(folder / "tokenizer.json");
  VB_ASSERT_OK(from_folder);
  VB_ASSERT_OK(from_file);
  EXPECT_EQ((*from_folder)->digest(), (*from_file)->digest());
  // "_the", "_", "he", byte fallback for "!"; BOS in front.
  EXPECT_EQ(ids_of(**from_folder, "the he!"), (std::vector<std::int32_t>{1, 288, 259, 287, 36}));
  EXPECT_EQ((*from_folder)->decode(ids_of(**from_folder, "the man, \xC3\xA9t\xC3\xA9"), true).value_or(""),
            "the man, \xC3\xA9t\xC3\xA9");
  EXPECT_EQ((*from_folder)->bos(), 1);
  EXPECT_EQ((*from_folder)->eos(), 2);
}

TEST(LoadTokenizer, AGgufCarriesTheTokenizerOfItsModel) {
  VB_NEED_SHARED("models/gguf/TinyStories-656K-F32.gguf");
  const auto from_gguf = load_tokenizer_file(shared_data() / "models/gguf/TinyStories-656K-F32.gguf");
  const auto from_json = load_tokenizer_file(shared_data() / "models/TinyStories-656K/tokenizer.json");
  VB_ASSERT_OK(from_gguf);
  VB_ASSERT_OK(from_json);
  EXPECT_EQ(ids_of(**from_gguf, "Once upon a time"), (std::vector<std::int32_t>{1, 80, 147, 201, 282, 57}));
  EXPECT_EQ(ids_of(**from_json, "Once upon a time"), (std::vector<std::int32_t>{1, 80, 147, 201, 282, 57}));
}

TEST(LoadTokenizer, ASentencePieceFileGivesTheSameIds) {
  VB_NEED_SHARED("models/stories260K/hf/tokenizer.model");
  for (const char* name : {"tokenizer.model", "tokenizer.json"}) {
    const auto tokenizer = load_tokenizer_file(shared_data() / "models/stories260K/hf" / name);
    VB_ASSERT_OK(tokenizer);
    EXPECT_EQ(ids_of(**tokenizer, "Once upon a time"), (std::vector<std::int32_t>{1, 403, 407, 261, 378})) << name;
  }
}

TEST(LoadTokenizer, ErrorsNameTheFile) {
  const TempDir folder;
  VB_ASSERT_OK(write_file_atomic(folder / "tokenizer.json", "{ not json"));
  const auto corrupt = load_tokenizer_file(folder / "tokenizer.json");
  ASSERT_FALSE(corrupt.has_value());
  EXPECT_EQ(corrupt.error().code, ErrorCode::corrupt);
  EXPECT_NE(describe(corrupt.error()).find("tokenizer.json"), std::string::npos);
  EXPECT_EQ(load_tokenizer_file(folder / "absent.json").error().code, ErrorCode::not_found);
  EXPECT_EQ(load_tokenizer_file(folder / "vocab.txt").error().code, ErrorCode::unsupported);
}

}  // namespace
}  // namespace vauban::test
