#include "format/gguf.h"

#include <fstream>
#include <functional>

#include "base/result.h"
#include "support/gguf_builder.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using test::as_bytes;
using test::GgufBuilder;
using test::GgufTensor;
using test::le;

constexpr std::int32_t kU32 = 4, kI32 = 5, kF32Value = 6, kBool = 7, kString = 8, kArray = 9;

GgufBuilder with_keys() {
  GgufBuilder b;
  b.text("general.architecture", "llama").number<std::uint32_t>("llama.block_count", kU32, 2);
  return b;
}

GgufTensor f32_tensor(std::string name, std::vector<std::int64_t> ne, std::size_t bytes) {
  return {.name = std::move(name), .ne = std::move(ne), .type = 0, .data = std::string(bytes, '\x3f')};
}

GgufBuilder with_tensors() {
  GgufBuilder b = with_keys();
  b.tensor(f32_tensor("a", {3, 5}, 60)).tensor(f32_tensor("b", {8}, 32));
  return b;
}

/// One file of the llama.cpp list (tests/test-gguf.cpp), and what must come of it.
struct Case {
  std::string name;
  std::function<std::string()> build;
  std::string reason = {};  ///< part of the message; empty when the file must be read
  ErrorCode code = ErrorCode::corrupt;
};

GgufBuilder one(GgufTensor tensor) {
  GgufBuilder b = with_keys();
  b.tensor(std::move(tensor));
  return b;
}

GgufBuilder declaring(std::uint32_t alignment, std::uint64_t laid_out) {
  GgufBuilder b = with_tensors();
  b.number("general.alignment", kU32, alignment).alignment = laid_out;
  return b;
}

std::string cut(std::string file, std::size_t bytes) { return file.substr(0, file.size() - bytes); }

std::vector<Case> header_cases() {
  return {
      {"HeaderBadMagic", [] { auto b = with_tensors(); b.magic = "GGUX"; return b.build(); }, "expected the magic"},
      {"HeaderVersion0", [] { auto b = with_tensors(); b.version = 0; return b.build(); }, "version 0", ErrorCode::unsupported},
      {"HeaderVersion1", [] { auto b = with_tensors(); b.version = 1; return b.build(); }, "version 1", ErrorCode::unsupported},
      {"HeaderVersionFuture", [] { auto b = with_tensors(); b.version = 4; return b.build(); }, "version 4", ErrorCode::unsupported},
      {"HeaderBadTensorCount", [] { auto b = with_keys(); b.n_tensors = std::int64_t{1} << 60; return b.build(); }, "tensor count"},
      {"HeaderBadKeyCount", [] { auto b = with_keys(); b.n_keys = std::int64_t{1} << 60; return b.build(); }, "key count"},
      {"HeaderEmpty", [] { return GgufBuilder().build(); }},
  };
}

std::vector<Case> key_cases() {
  return {
      {"KeyBadSize", [] { return with_keys().raw_key(le(~std::uint64_t{0}) + "k").build() + std::string(64, 'x'); }, "above the limit"},
      {"KeyEmpty", [] { return with_keys().number<std::uint32_t>("", kU32, 1).build(); }, "is empty"},
      {"KeyBadType", [] { return with_keys().number<std::uint32_t>("k", 13, 1).build(); }, "value type 13"},
      {"KeyDuplicate", [] { return with_keys().text("general.architecture", "x").build(); }, "appears twice"},
      {"KeyBadAlignment", [] { return with_keys().number<std::uint32_t>("general.alignment", kU32, 13).build(); }, "no power of two"},
      {"KeyAlignmentOfWrongType", [] { return with_keys().number<std::int32_t>("general.alignment", kI32, 32).build(); }, "expected a u32"},
      {"KeySuccess", [] { return with_keys().build(); }},
  };
}

std::vector<Case> tensor_cases() {
  constexpr std::int64_t kHalf = std::int64_t{1} << 31;
  return {
      {"TensorBadNameSize", [] { return one({.name = std::string(64, 'n'), .ne = {8}, .data = std::string(32, 0)}).build(); }, "the limit is 63"},
      {"TensorBadRank", [] { return one({.name = "a", .ne = {1, 1, 1, 1, 1}, .data = std::string(4, 0)}).build(); }, "5 dimensions"},
      {"TensorBadShape", [] { return one({.name = "a", .ne = {4, -1}, .data = std::string(4, 0)}).build(); }, "negative"},
      {"TensorZeroDimension", [] { return one({.name = "a", .ne = {4, 0}, .data = ""}).build(); }},
      {"TensorTooManyElements", [] { return one({.name = "a", .ne = {kHalf, kHalf, 4}, .data = ""}).build(); }, "overflows"},
      {"TensorTooManyBytes", [] { return one({.name = "a", .ne = {kHalf, kHalf}, .type = 28, .data = ""}).build(); }, "overflows"},
      {"TensorBadType", [] { return one({.name = "a", .ne = {8}, .type = 99, .data = std::string(32, 0)}).build(); }, "type 99 does not exist"},
      {"TensorBadOffset", [] { return one({.name = "a", .ne = {8}, .data = std::string(32, 0), .offset = 32}).build(); }, "expected offset 0"},
      {"TensorDuplicateName", [] { auto b = with_tensors(); b.tensors[1].name = "a"; return b.build(); }, "appears twice"},
      {"TensorBadAlignment", [] { return declaring(13, 13).build(); }, "no power of two"},
      {"TensorInconsistentAlignment", [] { return declaring(128, 32).build(); }, "expected offset 128 (alignment 128), found 64"},
      {"TensorSuccess", [] { return with_tensors().build(); }},
      {"TensorCustomAlignment", [] { return declaring(64, 64).build(); }},
  };
}

std::vector<Case> data_cases() {
  constexpr std::int64_t kHuge = std::int64_t{1} << 60;
  return {
      {"DataNotEnough", [] { return cut(with_tensors().build(), 1); }, "bytes of tensor data"},
      {"DataBadAlignment", [] { auto b = with_tensors(); b.tensors[1].offset = 60; return b.build(); }, "expected offset 64"},
      {"DataInconsistentAlignment", [] { auto b = declaring(32, 64); b.tensors[1].offset = 128; return b.build(); }, "bytes of tensor data"},
      {"DataMemorySizeOverflow",
       [] { auto b = one({.name = "a", .ne = {kHuge}, .type = 28}); b.tensor({.name = "b", .ne = {kHuge}, .type = 28, .offset = std::uint64_t{1} << 63});
            return b.build(); }, "overflows 64 bits"},
      {"DataSuccess", [] { return with_tensors().build(); }},
      {"DataCustomAlignment", [] { return declaring(256, 256).build(); }},
  };
}

/// What the list of llama.cpp leaves out.
std::vector<Case> further_cases() {
  constexpr std::int64_t kAlmost = (std::int64_t{1} << 61) - 1;
  return {
      {"NothingAtAll", [] { return std::string(); }, "the magic"},
      {"OnlyTheMagic", [] { return std::string("GGUF"); }, "the version"},
      {"BigEndian", [] { auto b = with_tensors(); b.version = 0x03000000; return b.build(); }, "big-endian", ErrorCode::unsupported},
      {"Version2", [] { auto b = with_tensors(); b.version = 2; return b.build(); }},
      {"NegativeTensorCount", [] { auto b = with_keys(); b.n_tensors = -1; return b.build(); }, "tensor count is -1"},
      {"NegativeKeyCount", [] { auto b = with_keys(); b.n_keys = -1; return b.build(); }, "key count is -1"},
      {"MoreKeysThanStored", [] { auto b = with_keys(); b.n_keys = 3; return b.build() + std::string(6, 0); }, "in key 3 of 3"},
      {"KeyWithZeroByte", [] { return with_keys().number<std::uint32_t>(std::string_view("k\0x", 3), kU32, 1).build(); }, "without zero bytes"},
      {"KeyNotUtf8", [] { return with_keys().number<std::uint32_t>("k\xff", kU32, 1).build(); }, "expected UTF-8"},
      {"ValueCut", [] { return with_keys().value("k", 12, "1234").build() + std::string(3, 0); }, "7 remain"},
      {"NegativeType", [] { return with_keys().number<std::uint32_t>("k", -1, 1).build(); }, "value type -1"},
      {"StringPastTheEnd", [] { return with_keys().value("k", kString, le(std::uint64_t{100}) + "short").build(); }, "expected 100 bytes"},
      {"BoolOfTwo", [] { return with_keys().number<std::uint8_t>("k", kBool, 2).build(); }, "0 or 1, found 2"},
      {"AlignmentZero", [] { return with_keys().number<std::uint32_t>("general.alignment", kU32, 0).build(); }, "no power of two"},
      {"AlignmentAsArray", [] { return with_keys().array("general.alignment", kU32, 1, le(32u)).build(); }, "expected a u32"},
      {"ArrayPastTheEnd", [] { return with_keys().array("k", kU32, 100, "1234").build(); }, "claims 100 elements"},
      {"ArrayOfHugeCount", [] { return with_keys().array("k", 0, ~std::uint64_t{0}, "1234").build(); }, "an array claims"},
      {"ArrayOfUnknownType", [] { return with_keys().array("k", 13, 0, "").build() + std::string(8, 0); }, "value type 13"},
      {"ArrayOfArrays", [] { return with_keys().array("k", kArray, 0, "").build() + std::string(8, 0); }, "arrays of arrays"},
      {"ArrayBombOfBytes", [] { return with_keys().array("k", 0, 9'000'000, std::string(9'000'000, 0)).build(); }, "array elements", ErrorCode::resource},
      {"ArrayOfBadBools", [] { return with_keys().array("k", kBool, 2, "\x01\x07").build(); }, "in array element 1"},
      {"TensorNamePastTheEnd", [] { return one({.name = "a", .ne = {8}, .data = std::string(32, 0), .name_size = 5000}).build(); }, "a tensor name"},
      {"TensorNameWithZeroByte", [] { return one({.name = std::string("a\0b", 3), .ne = {8}, .data = std::string(32, 0)}).build(); }, "without zero bytes"},
      {"TensorRankHuge", [] { return one({.name = "a", .ne = {8}, .data = std::string(32, 0), .n_dims = ~0u}).build(); }, "dimensions, the limit"},
      {"TensorRemovedType", [] { return one({.name = "a", .ne = {32}, .type = 4, .data = std::string(32, 0)}).build(); }, "removed from the format"},
      {"TensorOfKType", [] { return one({.name = "a", .ne = {256}, .type = 12, .data = std::string(144, 0)}).build(); }, "q4_K", ErrorCode::unsupported},
      {"TensorRowCutsABlock", [] { return one({.name = "a", .ne = {172, 64}, .type = 2, .data = std::string(6192, 0)}).build(); }, "whole number of q4_0 blocks"},
      {"TensorPaddingOverflow", [] { return one({.name = "a", .ne = {kAlmost}, .type = 28, .data = ""}).build(); }, "bytes of tensor data"},
      {"TrailingBytes", [] { return with_tensors().build() + "x"; }, "bytes of tensor data"},
      {"TrailingBytesWithoutTensors", [] { return with_keys().build() + std::string(64, 'x'); }, "bytes of tensor data"},
      {"NoDataAtAll", [] { return cut(with_tensors().build(), 96); }, "the file holds 0"},
      {"Scalar", [] { return one({.name = "a", .ne = {}, .data = "abcd"}).build(); }},
      {"PaddedVocabulary", [] { return with_keys().build() + std::string(3, 0); }},
  };
}

std::vector<Case> llama_cpp_cases() {
  std::vector<Case> all;
  for (const auto& group : {header_cases(), key_cases(), tensor_cases(), data_cases()}) all.insert(all.end(), group.begin(), group.end());
  return all;
}

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

INSTANTIATE_TEST_SUITE_P(LlamaCpp, GgufCase, testing::ValuesIn(llama_cpp_cases()), case_name);
INSTANTIATE_TEST_SUITE_P(Further, GgufCase, testing::ValuesIn(further_cases()), case_name);

TEST(Gguf, TheListOfLlamaCppIsComplete) { EXPECT_EQ(llama_cpp_cases().size(), 33u); }

TEST(Gguf, ReadsEveryKindOfValue) {
  GgufBuilder b;
  b.number<std::uint8_t>("u8", 0, 200).number<std::int8_t>("i8", 1, -5).number<std::uint16_t>("u16", 2, 60000).number<std::int16_t>("i16", 3, -300);
  b.number<std::uint32_t>("u32", kU32, 4'000'000'000u).number<std::int32_t>("i32", kI32, -7).number<float>("f32", kF32Value, 0.1f);
  b.number<std::uint8_t>("bool", kBool, 1).text("string", "abc").number<std::uint64_t>("u64", 10, ~std::uint64_t{0});
  b.number<std::int64_t>("i64", 11, -9).number<double>("f64", 12, 0.25).texts("strings", {"a", "", "\xe2\x96\x81x"});
  b.array("floats", kF32Value, 2, le(1.5f) + le(-2.0f)).array("empty", kString, 0, "");
  const auto contents = parse_gguf(as_bytes(b.build()));
  VB_ASSERT_OK(contents);
  EXPECT_EQ(contents->metadata,
            Json::object({{"u8", std::uint8_t{200}}, {"i8", -5}, {"u16", std::uint16_t{60000}}, {"i16", -300}, {"u32", 4'000'000'000u}, {"i32", -7},
                          {"f32", 0.1f}, {"bool", true}, {"string", "abc"}, {"u64", ~std::uint64_t{0}}, {"i64", -9}, {"f64", 0.25},
                          {"strings", Json::array({"a", "", "\xe2\x96\x81x"})}, {"floats", Json::array({1.5f, -2.0f})}, {"empty", Json::array()}}));
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
  b.texts("tokenizer.ggml.tokens", tokens).array("tokenizer.ggml.scores", kF32Value, tokens.size(), std::string(tokens.size() * 4, '\0'));
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
    EXPECT_NE(refused.error().message.find("172 elements is not a whole number of q4_0 blocks of 32"), std::string::npos) << describe(refused.error());
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
