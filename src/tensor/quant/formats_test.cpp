// Every block format against bytes and floats that ggml itself wrote (shared data golden/quant).
#include <bit>
#include <cmath>
#include <cstring>

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

class BlockFormatTest : public testing::TestWithParam<BlockFormat> {};

TEST_P(BlockFormatTest, MatchesTheOutsideIndex) {
  VB_NEED_SHARED("golden/quant/index.json");
  const auto index = Json::parse(golden("index.json"));
  VB_ASSERT_OK(index);
  int found = 0;
  for (const Json& entry : index->find("types")->items()) {
    if (entry.find("name")->as_string() != to_string(GetParam().dtype)) continue;
    EXPECT_EQ(entry.find("ggml_type")->as_int(), info(GetParam().dtype).ggml_type);
    EXPECT_EQ(entry.find("block")->as_int(), GetParam().block);
    EXPECT_EQ(entry.find("type_size")->as_int(), GetParam().block_bytes);
    ++found;
  }
  EXPECT_EQ(found, 1);
}

TEST_P(BlockFormatTest, EncodesToGgmlsBytes) {
  VB_NEED_SHARED("golden/quant/input_f32.bin");
  const std::vector<float> input = floats_of(golden("input_f32.bin"));
  const std::string want = golden(format("{}.bin", to_string(GetParam().dtype)));
  const auto blocks = static_cast<std::int64_t>(input.size()) / GetParam().block;
  std::string got(static_cast<std::size_t>(blocks * GetParam().block_bytes), '\0');
  GetParam().encode(input.data(), reinterpret_cast<std::byte*>(got.data()), blocks);
  expect_same_bytes(got, want, static_cast<std::size_t>(GetParam().block_bytes));
}

TEST_P(BlockFormatTest, DecodesToGgmlsBits) {
  VB_NEED_SHARED("golden/quant/input_f32.bin");
  for (const char* variant : {"", "_imatrix"}) {
    const std::string name = format("{}{}", to_string(GetParam().dtype), variant);
    if (!std::filesystem::exists(test::shared_data() / "golden/quant" / (name + ".bin"))) continue;
    const std::string bytes = golden(name + ".bin");
    const std::string want = golden(name + ".deq_f32.bin");
    const auto got =
        decode_f32({.dtype = GetParam().dtype, .shape = {16, 256}, .bytes = std::as_bytes(std::span(bytes))});
    VB_ASSERT_OK(got);
    expect_same_bytes(std::string(reinterpret_cast<const char*>(got->data()), got->size() * 4), want, 4);
  }
}

TEST_P(BlockFormatTest, TableAndDTypeAgree) {
  EXPECT_EQ(find_block_format(GetParam().dtype)->decode, GetParam().decode);
  EXPECT_EQ(info(GetParam().dtype).block, GetParam().block);
  EXPECT_EQ(info(GetParam().dtype).bits, GetParam().block_bytes * 8);
}

/// 0.1 + 2 cos(i + offset), n = 4096: sqrt(sum d^2)/n < 0.002 for types of four bits and more (transforms.md 2.5).
TEST_P(BlockFormatTest, RoundTripErrorIsWithinGgmlsBound) {
  std::vector<float> input(4096);
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = 0.1f + 2.0f * std::cos(static_cast<float>(i));
  const auto blocks = static_cast<std::int64_t>(input.size()) / GetParam().block;
  std::vector<std::byte> bytes(static_cast<std::size_t>(blocks * GetParam().block_bytes));
  std::vector<float> output(input.size());
  GetParam().encode(input.data(), bytes.data(), blocks);
  GetParam().decode(bytes.data(), output.data(), blocks);
  double sum = 0;
  for (std::size_t i = 0; i < input.size(); ++i) sum += std::pow(double{input[i]} - output[i], 2);
  EXPECT_GT(sum, 0);
  EXPECT_LT(std::sqrt(sum) / static_cast<double>(input.size()), 0.002);
}

TEST_P(BlockFormatTest, FiniteExtremesNeverBecomeNan) {
  for (const float magnitude : {0.0f, 1e-45f, 1e-40f, 1e-6f, 1.0f, 60000.0f}) {
    std::vector<float> input(static_cast<std::size_t>(GetParam().block));
    for (std::size_t i = 0; i < input.size(); ++i)
      input[i] = (i % 2 ? -magnitude : magnitude) * static_cast<float>(i % 5) / 4;
    std::vector<std::byte> bytes(static_cast<std::size_t>(GetParam().block_bytes));
    GetParam().encode(input.data(), bytes.data(), 1);
    GetParam().decode(bytes.data(), input.data(), 1);
    for (const float value : input) EXPECT_TRUE(std::isfinite(value)) << magnitude;
  }
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
