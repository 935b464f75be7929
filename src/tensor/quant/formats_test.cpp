// Every block format against bytes and floats that ggml itself wrote (shared data golden/quant).
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "base/json.h"
#include "base/result.h"
#include "support/test_data.h"
#include "tensor/quant/format.h"
#include "tensor/tensor.h"

namespace vauban {
namespace {

std::vector<float> floats_of(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

std::string golden(const std::string& name) { return test::read_text(test::shared_data() / "golden/quant" / name); }

/// The first differing byte, so that a failure names the block.
void expect_same_bytes(const std::string& got, const std::string& want, std::size_t block_bytes) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    ASSERT_EQ(got[i], want[i]) << "block " << i / block_bytes << ", byte " << i % block_bytes;
}

/// Without importance weights, with weights of 1 for a format that needs some.
std::vector<std::byte> encode(const BlockFormat& format, const std::vector<float>& values) {
  const auto blocks = static_cast<std::int64_t>(values.size()) / format.block;
  std::vector<std::byte> bytes(static_cast<std::size_t>(blocks * format.block_bytes));
  if (format.encode)
    format.encode(values.data(), bytes.data(), blocks);
  else
    format.encode_weighted(values.data(), bytes.data(), blocks, std::vector<float>(values.size(), 1.0f).data());
  return bytes;
}

std::vector<float> decode(const BlockFormat& format, const std::vector<std::byte>& bytes) {
  const auto blocks = static_cast<std::int64_t>(bytes.size()) / format.block_bytes;
  std::vector<float> values(static_cast<std::size_t>(blocks * format.block));
  format.decode(bytes.data(), values.data(), blocks);
  return values;
}

class BlockFormatTest : public testing::TestWithParam<BlockFormat> {
 protected:
  const BlockFormat& codec() const { return GetParam(); }
  std::string name() const { return std::string(to_string(codec().dtype)); }
  /// The intermediate of ggml's dot products has no outside bytes.
  bool has_golden() const { return codec().dtype != DType::q8_k; }
};

TEST_P(BlockFormatTest, MatchesTheOutsideIndex) {
  VB_NEED_SHARED("golden/quant/index.json");
  if (!has_golden()) GTEST_SKIP() << "no outside bytes for " << name();
  const auto index = Json::parse(golden("index.json"));
  VB_ASSERT_OK(index);
  int plain = 0, weighted = 0;
  for (const Json& entry : index->find("types")->items()) {
    const std::string& found = entry.find("name")->as_string();
    if (found != name() && found != name() + "_imatrix") continue;
    EXPECT_EQ(entry.find("ggml_type")->as_int(), info(codec().dtype).ggml_type);
    EXPECT_EQ(entry.find("block")->as_int(), codec().block);
    EXPECT_EQ(entry.find("type_size")->as_int(), codec().block_bytes);
    ++(found == name() ? plain : weighted);
  }
  EXPECT_EQ(plain, codec().encode ? 1 : 0);
  EXPECT_EQ(weighted, codec().encode_weighted ? 1 : 0);
}

TEST_P(BlockFormatTest, EncodesToGgmlsBytes) {
  VB_NEED_SHARED("golden/quant/input_f32.bin");
  if (!has_golden()) GTEST_SKIP() << "no outside bytes for " << name();
  const std::vector<float> input = floats_of(golden("input_f32.bin"));
  const auto block_bytes = static_cast<std::size_t>(codec().block_bytes);
  if (codec().encode) {
    const std::vector<std::byte> got = encode(codec(), input);
    expect_same_bytes({reinterpret_cast<const char*>(got.data()), got.size()}, golden(name() + ".bin"), block_bytes);
  }
  if (codec().encode_weighted) {
    const std::vector<float> importance = floats_of(golden("imatrix_f32.bin"));
    const std::size_t width = importance.size(), blocks = width / static_cast<std::size_t>(codec().block);
    std::string got;
    for (std::size_t row = 0; row < input.size() / width; ++row) {
      std::string bytes(blocks * block_bytes, '\0');
      codec().encode_weighted(input.data() + row * width, reinterpret_cast<std::byte*>(bytes.data()),
                              static_cast<std::int64_t>(blocks), importance.data());
      got += bytes;
    }
    expect_same_bytes(got, golden(name() + "_imatrix.bin"), block_bytes);
  }
}

TEST_P(BlockFormatTest, DecodesToGgmlsBits) {
  VB_NEED_SHARED("golden/quant/input_f32.bin");
  if (!has_golden()) GTEST_SKIP() << "no outside bytes for " << name();
  int found = 0;
  for (const char* variant : {"", "_imatrix"}) {
    const std::string file = name() + variant;
    if (!std::filesystem::exists(test::shared_data() / "golden/quant" / (file + ".bin"))) continue;
    const std::string bytes = golden(file + ".bin");
    const std::string want = golden(file + ".deq_f32.bin");
    const auto got = decode_f32({.dtype = codec().dtype, .shape = {16, 256}, .bytes = std::as_bytes(std::span(bytes))});
    VB_ASSERT_OK(got);
    expect_same_bytes(std::string(reinterpret_cast<const char*>(got->data()), got->size() * 4), want, 4);
    ++found;
  }
  EXPECT_GT(found, 0);
}

TEST_P(BlockFormatTest, TableAndDTypeAgree) {
  EXPECT_EQ(find_block_format(codec().dtype)->decode, codec().decode);
  EXPECT_EQ(info(codec().dtype).block, codec().block);
  EXPECT_EQ(info(codec().dtype).bits, codec().block_bytes * 8);
  EXPECT_TRUE(codec().encode || codec().encode_weighted);
}

/// 0.1 + 2 cos(i), n = 4096: sqrt(sum d^2)/n below ggml's bound for the bits of the type (transforms.md 2.5; 0.01 for
/// ternary types, 0.005 and 0.003 for IQ3_XXS and MXFP4 in ggml's test-quantize-fns). That test leaves out IQ1; zeros
/// would give 0.022 here.
TEST_P(BlockFormatTest, RoundTripErrorIsWithinGgmlsBound) {
  const double bits = static_cast<double>(codec().block_bytes) * 8 / codec().block;
  const double bound = codec().dtype == DType::iq1_m || codec().dtype == DType::iq1_s ? 0.015 : bits < 2.06 || codec().dtype == DType::tq2_0 ? 0.01 : bits < 3 ? 0.0075 : bits < 3.1 ? 0.005
                       : bits < 4 ? 0.004 : codec().dtype == DType::mxfp4 ? 0.003 : 0.002;
  std::vector<float> input(4096);
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = 0.1f + 2.0f * std::cos(static_cast<float>(i));
  const std::vector<float> output = decode(codec(), encode(codec(), input));
  double sum = 0;
  for (std::size_t i = 0; i < input.size(); ++i) sum += std::pow(double{input[i]} - output[i], 2);
  EXPECT_GT(sum, 0);
  EXPECT_LT(std::sqrt(sum) / static_cast<double>(input.size()), bound);
}

TEST_P(BlockFormatTest, FiniteExtremesNeverBecomeNan) {
  for (const float magnitude : {0.0f, 1e-45f, 1e-40f, 1e-6f, 1.0f, 60000.0f}) {
    std::vector<float> input(static_cast<std::size_t>(codec().block));
    for (std::size_t i = 0; i < input.size(); ++i)
      input[i] = (i % 2 ? -magnitude : magnitude) * static_cast<float>(i % 5) / 4;
    for (const float value : decode(codec(), encode(codec(), input))) EXPECT_TRUE(std::isfinite(value)) << magnitude;
  }
}

/// The transform refuses such input before it comes here; a codec must still stay inside its memory (sanitizers look).
TEST_P(BlockFormatTest, InputWithoutAScaleStaysDefined) {
  for (const float odd : {std::nanf(""), INFINITY, -INFINITY, 3e38f, -1e30f}) {
    std::vector<float> input(static_cast<std::size_t>(codec().block) * 2, 0.5f);
    for (std::size_t i = 0; i < input.size(); i += 3) input[i] = odd;
    const std::vector<float> zeros(input.size(), 0.0f);
    EXPECT_EQ(encode(codec(), input).size(), static_cast<std::size_t>(codec().block_bytes) * 2);
    if (codec().encode_weighted) {
      std::vector<std::byte> bytes(static_cast<std::size_t>(codec().block_bytes) * 2);
      codec().encode_weighted(input.data(), bytes.data(), 2, zeros.data());
    }
  }
}

TEST_P(BlockFormatTest, AnyBytesDecode) {
  std::mt19937 random(7);
  for (int round = 0; round < 40; ++round) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(codec().block_bytes) * 3);
    for (std::byte& byte : bytes) byte = round == 0 ? std::byte{0xff} : static_cast<std::byte>(random());
    EXPECT_EQ(decode(codec(), bytes).size(), static_cast<std::size_t>(codec().block) * 3);
  }
}

TEST_P(BlockFormatTest, BlocksDoNotDependOnTheirNeighbours) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  const auto block = static_cast<std::size_t>(codec().block);
  std::vector<float> input(3 * block);
  for (float& value : input) value = normal(random);
  std::vector<std::byte> alone;
  for (std::size_t b = 0; b < 3; ++b) {
    const auto begin = input.begin() + static_cast<std::ptrdiff_t>(b * block);
    const auto one = encode(codec(), {begin, begin + static_cast<std::ptrdiff_t>(block)});
    alone.insert(alone.end(), one.begin(), one.end());
  }
  if (codec().encode) {  // a weighted row is one unit
    EXPECT_EQ(encode(codec(), input), alone);
  }
  EXPECT_EQ(encode(codec(), input), encode(codec(), input));
}

/// Formats that round and do not search keep what they hold.
TEST_P(BlockFormatTest, RoundingFormatsAreFixedPoints) {
  constexpr std::array kRounding = {DType::q8_0, DType::q5_0, DType::q4_0, DType::tq1_0, DType::tq2_0, DType::mxfp4, DType::q8_k};
  if (std::ranges::find(kRounding, codec().dtype) == kRounding.end()) GTEST_SKIP() << name() << " searches for its scales";
  std::mt19937 random(13);
  std::normal_distribution<float> normal;
  std::vector<float> input(1024);
  for (float& value : input) value = normal(random);
  const std::vector<float> once = decode(codec(), encode(codec(), input));
  EXPECT_EQ(decode(codec(), encode(codec(), once)), once);
}

INSTANTIATE_TEST_SUITE_P(All, BlockFormatTest, testing::ValuesIn(block_formats().begin(), block_formats().end()),
                         [](const auto& instance) { return std::string(to_string(instance.param.dtype)); });

TEST(BlockFormats, EveryBlockTypeHasARow) {
  for (const DTypeInfo& entry : all_dtypes())
    EXPECT_EQ(find_block_format(entry.id) != nullptr, entry.block > 1) << entry.name;
}

TEST(BlockFormats, HalvesMatchGgml) {
  VB_NEED_SHARED("golden/quant/input_f32.bin");
  const std::vector<float> input = floats_of(golden("input_f32.bin"));
  for (const DType dtype : {DType::f16, DType::bf16}) {
    std::string got(input.size() * 2, '\0');
    for (std::size_t i = 0; i < input.size(); ++i) {
      const std::uint16_t bits = dtype == DType::f16 ? f32_to_f16(input[i]) : f32_to_bf16(input[i]);
      std::memcpy(got.data() + 2 * i, &bits, 2);
    }
    expect_same_bytes(got, golden(format("{}.bin", to_string(dtype))), 2);
    const auto wide = decode_f32({.dtype = dtype, .shape = {16, 256}, .bytes = std::as_bytes(std::span(got))});
    VB_ASSERT_OK(wide);
    expect_same_bytes(std::string(reinterpret_cast<const char*>(wide->data()), wide->size() * 4),
                      golden(format("{}.deq_f32.bin", to_string(dtype))), 4);
  }
}

}  // namespace
}  // namespace vauban
