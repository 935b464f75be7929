#include "format/gguf.h"

#include <cstdio>

#include "base/result.h"
#include "support/gguf_cases.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using test::as_bytes;
using test::GgufBuilder;
using test::le;
using test::with_tensors;
using Case = test::GgufCase;

class GgufCase : public testing::TestWithParam<Case> {};

TEST_P(GgufCase, IsReadOrRefusedAsItShould) {
  const std::string file = GetParam().build();
  const auto result = parse_gguf(as_bytes(file));
  if (GetParam().reason.empty()) {
    VB_ASSERT_OK(result);
    return;
  }
  ASSERT_FALSE(result.has_value()) << "accepted, but should say: " << GetParam().reason;
  EXPECT_EQ(result.error().code, GetParam().code) << describe(result.error());
  EXPECT_NE(describe(result.error()).find(GetParam().reason), std::string::npos) << describe(result.error());
}

std::string case_name(const testing::TestParamInfo<Case>& instance) { return instance.param.name; }

INSTANTIATE_TEST_SUITE_P(LlamaCpp, GgufCase, testing::ValuesIn(test::llama_cpp_gguf_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Further, GgufCase, testing::ValuesIn(test::further_gguf_cases()), case_name);

TEST(Gguf, TheListOfLlamaCppIsComplete) { EXPECT_EQ(test::llama_cpp_gguf_cases().size(), 33u); }

TEST(Gguf, ReadsEveryKindOfValue) {
  const std::string file = test::every_kind_of_value().build();
  const auto contents = parse_gguf(as_bytes(file));
  VB_ASSERT_OK(contents);
  EXPECT_EQ(contents->metadata, Json::object({{"u8", std::uint8_t{200}},
                                              {"i8", -5},
                                              {"u16", std::uint16_t{60000}},
                                              {"i16", -300},
                                              {"u32", 4'000'000'000u},
                                              {"i32", -7},
                                              {"f32", 0.1f},
                                              {"bool", true},
                                              {"string", "abc"},
                                              {"u64", ~std::uint64_t{0}},
                                              {"i64", -9},
                                              {"f64", 0.25},
                                              {"strings", Json::array({"a", "", "\xe2\x96\x81x"})},
                                              {"floats", Json::array({1.5f, -2.0f})},
                                              {"empty", Json::array()}}));
}

TEST(Gguf, ReversesTheAxesAndKeepsTheBytes) {
  const std::string file = with_tensors().build();
  const auto contents = parse_gguf(as_bytes(file));
  VB_ASSERT_OK(contents);
  ASSERT_EQ(contents->tensors.size(), 2u);
  EXPECT_EQ(contents->tensors[0].view.shape, (Shape{5, 3}));
  EXPECT_EQ(contents->tensors[0].view.bytes.size(), 60u);
  EXPECT_EQ(contents->tensors[1].view.bytes.data() - contents->tensors[0].view.bytes.data(), 64);
  EXPECT_EQ(contents->version, 3u);
  EXPECT_EQ(contents->alignment, 32u);
}

TEST(Gguf, ABigVocabularyIsReadInOnePass) {
  GgufBuilder b;
  std::vector<std::string> tokens;
  for (int i = 0; i < 150'000; ++i) tokens.push_back(format("token-{}", i));
  b.texts("tokenizer.ggml.tokens", tokens)
      .array("tokenizer.ggml.scores", test::kF32Value, tokens.size(), std::string(tokens.size() * 4, '\0'));
  const auto contents = parse_gguf(as_bytes(b.build()));
  VB_ASSERT_OK(contents);
  const Json* read = contents->metadata.find("tokenizer.ggml.tokens");
  ASSERT_EQ(read->size(), tokens.size());
  EXPECT_EQ(read->items().back().as_string(), tokens.back());
}

TEST(Gguf, EveryCutOfAValidFileIsRefused) {
  const std::string file = with_tensors().build();
  for (std::size_t size = 0; size < file.size(); ++size) {
    const std::string shorter = file.substr(0, size);
    EXPECT_FALSE(parse_gguf(as_bytes(shorter))) << size;
  }
}

TEST(Gguf, RefusesTheNegativeFileAndSaysWhy) {
  VB_NEED_SHARED("models/gguf");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::shared_data() / "models/gguf")) {
    if (!entry.path().filename().string().starts_with("NEGATIVE")) continue;
    const auto refused = open_gguf(entry.path());
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("172 elements is not a whole number of q4_0 blocks of 32"),
              std::string::npos)
        << describe(refused.error());
    EXPECT_NE(describe(refused.error()).find(entry.path().string()), std::string::npos);
    ++files;
  }
  EXPECT_GE(files, 1);
}

/// All GGUF files of the shared data (models, vocabularies, importance matrices) were written by llama.cpp's tools.
TEST(Gguf, OpensEveryRealFile) {
  VB_NEED_SHARED("models/gguf");
  std::size_t files = 0, tensors = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(test::shared_data())) {
    if (entry.path().extension() != ".gguf" || entry.path().filename().string().starts_with("NEGATIVE")) continue;
    const auto model = open_gguf(entry.path());
    VB_ASSERT_OK(model);
    EXPECT_GT((*model)->metadata().size(), 0u);
    ++files;
    tensors += (*model)->tensors().size();
  }
  std::printf("%zu files, %zu tensors\n", files, tensors);
  EXPECT_GE(files, 7u);
}

}  // namespace
}  // namespace vauban
