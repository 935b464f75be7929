// Layouts that no outside file here has, with values worked out by hand; and damaged parts of every layout: refused or
// decoded, never read outside their bytes (this program also runs under ASan and UBSan). Outside answers: tests/golden.
#include "format/compressed/compressed_weights.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/rng.h"
#include "format/safetensors.h"
#include "support/compressed_layouts.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using test::Part;

/// A file of these tensors.
std::shared_ptr<const ModelFile> file_of(const std::filesystem::path& path, const std::vector<Part>& parts) {
  std::ofstream(path, std::ios::binary) << test::safetensors_of(parts);
  auto file = open_safetensors(path);
  if (!file) ADD_FAILURE() << describe(file.error());
  return file ? *file : nullptr;
}

Result<std::vector<float>> decoded(const std::vector<Part>& parts, const char* config, std::string_view name, std::int64_t index = 0) {
  const test::TempDir folder;
  VB_TRY(const auto weights, CompressedWeights::open(file_of(folder / "m.safetensors", parts), *Json::parse(config), "quantization_config"));
  VB_TRY(const DecodedTensor tensor, weights->decode(name, index));
  return decode_f32(tensor.view);
}

TEST(CompressedWeights, Fp8BlocksAreMultipliedByTheirScaleInv) {
  // E4M3: 0x38 is 1, 0x40 is 2, 0xb8 is -1; blocks of 1 x 2 with the scales 0.5 (0x3f000000) and 4 (0x40800000).
  const auto values = decoded({{"m.weight", DType::f8_e4m3, {2, 3}, "\x38\x40\xb8"},
                               {"m.weight_scale_inv", DType::f32, {2, 2}, std::string("\x00\x00\x00\x3f\x00\x00\x80\x40", 8)}},
                              R"({"quant_method": "fp8", "weight_block_size": [1, 2]})", "m.weight");
  VB_ASSERT_OK(values);
  EXPECT_EQ(*values, (std::vector<float>{0.5F, 1.0F, -4.0F, 0.5F, 1.0F, -4.0F}));
}

TEST(CompressedWeights, Mxfp4ExpertsComeOutTransposed) {
  // One expert of two rows and one block: E2M1 codes 2 (1.0) and 7 (6.0) in turn, the first in the low half; scales 2^1, 2^-1.
  const std::vector<Part> parts{{"m.down_proj_blocks", DType::u8, {1, 2, 1, 16}, "\x72"}, {"m.down_proj_scales", DType::u8, {1, 2, 1}, "\x80\x7e"}};
  const auto values = decoded(parts, R"({"quant_method": "mxfp4"})", "m.down_proj");
  VB_ASSERT_OK(values);
  ASSERT_EQ(values->size(), 64U);
  EXPECT_EQ(std::vector<float>(values->begin(), values->begin() + 4), (std::vector<float>{2.0F, 0.5F, 12.0F, 3.0F}));
  EXPECT_FALSE(decoded(parts, R"({"quant_method": "mxfp4"})", "m.down_proj", 1).has_value());
}

TEST(CompressedWeights, AutoGptqsBiasOfZerosIsHarmlessAndAnotherOneIsNot) {
  const test::TempDir folder;
  const auto file = file_of(folder / "m.safetensors", {{"a.bias", DType::f16, {4}, std::string(2, '\0')},
                                                       {"b.bias", DType::f16, {4}, std::string("\0\x3c", 2)},
                                                       {"a.qweight", DType::i32, {1, 8}, "x"}, {"b.qweight", DType::i32, {1, 8}, "x"}});
  const auto weights = CompressedWeights::open(file, *Json::parse(R"({"quant_method": "gptq", "bits": 4})"), "quantization_config");
  VB_ASSERT_OK(weights);
  EXPECT_TRUE((*weights)->is_harmless(*file->find("a.bias")));
  EXPECT_FALSE((*weights)->is_harmless(*file->find("b.bias")));
}

TEST(CompressedWeights, EveryLayoutOfTheMutationsDecodesAsItStands) {
  for (const test::Layout& layout : test::compressed_layouts()) VB_EXPECT_OK(decoded(layout.parts, layout.config, "m.weight"));
}

/// Another size, type or value, or one part less: what is read stays inside the parts.
void mutate(std::vector<Part>& parts, Rng& rng) {
  const auto below = [&](std::size_t limit) { return static_cast<std::size_t>(rng.uniform() * static_cast<double>(limit)); };
  static constexpr std::array kTypes{DType::u8, DType::i8, DType::i32, DType::i64, DType::f16, DType::bf16, DType::f32, DType::f8_e4m3};
  static constexpr std::array<std::int64_t, 6> kSizes{0, 1, 2, 7, 33, 300};
  Part& part = parts[below(parts.size())];
  switch (below(5)) {
    case 0:
      part.shape[below(part.shape.size())] = kSizes[below(kSizes.size())];
      break;
    case 1:
      part.dtype = kTypes[below(kTypes.size())];
      break;
    case 2:
      part.bytes[below(part.bytes.size())] = static_cast<char>(below(256));
      break;
    case 3:
      part.shape.push_back(1 + static_cast<std::int64_t>(below(2)));
      break;
    default:
      if (parts.size() > 1) parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(below(parts.size())));
  }
}

TEST(CompressedWeights, DamagedPartsAreRefusedOrDecodedInsideTheirBytes) {
  int refused = 0, read = 0;
  for (std::size_t i = 0; i < test::compressed_layouts().size(); ++i) {
    Rng rng(7, i);
    for (int round = 0; round < 60; ++round) {
      std::vector<Part> parts = test::compressed_layouts()[i].parts;
      mutate(parts, rng);
      if (round % 2 == 1) mutate(parts, rng);
      const auto values = decoded(parts, test::compressed_layouts()[i].config, "m.weight");
      if (!values) {
        EXPECT_NE(values.error().code, ErrorCode::internal) << describe(values.error());
        ++refused;
        continue;
      }
      EXPECT_LE(values->size(), 1U << 20);
      ++read;
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(read, 20);
}

}  // namespace
}  // namespace vauban
