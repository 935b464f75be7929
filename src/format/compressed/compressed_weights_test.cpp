// Layouts that no outside file here has, with values worked out by hand; and damaged parts of every layout: refused or
// decoded, never read outside their bytes (this program also runs under ASan and UBSan). Outside answers: tests/golden.
#include "format/compressed/compressed_weights.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/rng.h"
#include "format/safetensors.h"
#include "support/safetensors_bytes.h"
#include "support/test_data.h"

namespace vauban {
namespace {

struct Part {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;  ///< repeated to fill the shape
};

/// A file of these tensors.
std::shared_ptr<const ModelFile> file_of(const std::filesystem::path& path, const std::vector<Part>& parts) {
  Json header = Json::object();
  std::string data;
  for (const Part& part : parts) {
    std::size_t size = static_cast<std::size_t>(info(part.dtype).bits / 8);
    for (const std::int64_t dim : part.shape) size *= static_cast<std::size_t>(dim);
    header[part.name] = Json::object({{"dtype", info(part.dtype).safetensors}, {"shape", Json(part.shape)},
                                      {"data_offsets", Json::array({data.size(), data.size() + size})}});
    for (std::size_t i = 0; i < size; ++i) data += part.bytes[i % part.bytes.size()];
  }
  std::ofstream(path, std::ios::binary) << test::safetensors_bytes(header.dump().value(), 0) << data;
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

/// Small parts of every layout that fit together.
struct Layout {
  const char* config;
  std::vector<Part> parts;
};

const std::vector<Layout>& layouts() {
  static const std::string size_8x32("\x08\0\0\0\0\0\0\0\x20\0\0\0\0\0\0\0", 16);
  static const std::vector<Layout> all{
      {R"({"quant_method": "gptq", "bits": 3, "group_size": 16})",
       {{"m.qweight", DType::i32, {3, 32}, "abc"}, {"m.qzeros", DType::i32, {2, 3}, "q"}, {"m.scales", DType::f16, {2, 32}, "\x3c"},
        {"m.g_idx", DType::i32, {32}, std::string(4, '\0')}}},
      {R"({"quant_method": "awq", "bits": 4, "group_size": 8})",
       {{"m.qweight", DType::i32, {16, 2}, "abc"}, {"m.qzeros", DType::i32, {2, 2}, "q"}, {"m.scales", DType::f16, {2, 16}, "\x3c"}}},
      {R"({"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"})",
       {{"m.weight", DType::u8, {64, 1}, "abc"}, {"m.weight.absmax", DType::u8, {2}, "q"}, {"m.weight.quant_map", DType::f32, {16}, "\x3c"},
        {"m.weight.nested_absmax", DType::f32, {1}, "\x3c"}, {"m.weight.nested_quant_map", DType::f32, {256}, "\x3c"},
        {"m.weight.quant_state.bitsandbytes__nf4", DType::u8, {75}, R"({"blocksize":64,"nested_blocksize":256,"nested_offset":0.25,"shape":[8,16]})"
                                                                   "      "}}},
      {R"({"quant_method": "bitsandbytes", "load_in_8bit": true})", {{"m.weight", DType::i8, {8, 4}, "abc"}, {"m.SCB", DType::f32, {8}, "\x3c"}}},
      {R"({"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"g": {"weights": {"num_bits": 4, "strategy": "group", "group_size": 16}}}})",
       {{"m.weight_packed", DType::i32, {8, 4}, "abc"}, {"m.weight_scale", DType::bf16, {8, 2}, "\x3c"}, {"m.weight_shape", DType::i64, {2}, size_8x32},
        {"m.weight_zero_point", DType::i32, {1, 2}, "q"}, {"m.weight_g_idx", DType::i32, {32}, std::string(4, '\0')}}},
      {R"({"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [4, 4]}}}})",
       {{"m.weight", DType::f8_e4m3, {6, 8}, "abc"}, {"m.weight_scale", DType::bf16, {2, 2}, "\x3c"}}},
      {R"({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "config_groups": {"g": {"weights": {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}}}})",
       {{"m.weight_packed", DType::u8, {4, 16}, "abc"}, {"m.weight_scale", DType::f8_e4m3, {4, 2}, "\x3c"}, {"m.weight_global_scale", DType::f32, {1}, "\x3c"}}},
      {R"({"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24-bitmask"}})",
       {{"m.compressed", DType::bf16, {8, 16}, "\x3c"}, {"m.bitmask", DType::u8, {8, 4}, "\x55"}, {"m.shape", DType::i64, {2, 1}, size_8x32}}},
      {R"({"quant_method": "mxfp4"})", {{"m.weight_blocks", DType::u8, {2, 3, 2, 16}, "abc"}, {"m.weight_scales", DType::u8, {2, 3, 2}, "\x80"}}},
  };
  return all;
}

TEST(CompressedWeights, EveryLayoutOfTheMutationsDecodesAsItStands) {
  for (const Layout& layout : layouts()) VB_EXPECT_OK(decoded(layout.parts, layout.config, "m.weight"));
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
  for (std::size_t i = 0; i < layouts().size(); ++i) {
    Rng rng(7, i);
    for (int round = 0; round < 60; ++round) {
      std::vector<Part> parts = layouts()[i].parts;
      mutate(parts, rng);
      if (round % 2 == 1) mutate(parts, rng);
      const auto values = decoded(parts, layouts()[i].config, "m.weight");
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
