// Quantised and sparse folders of other tools: decoded weights bit for bit, logits, and what a damaged one answers.
// Tolerances are those of shared/data/compress/README.md; the reference computes in float64.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "base/files.h"
#include "base/result.h"
#include "base/sha256.h"
#include "format/safetensors.h"
#include "golden/golden_case.h"
#include "support/model_session.h"
#include "support/test_data.h"
#include "tensor/quant/format.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kFolders = {
    "awq_g128_noclip_skip", "awq_g32", "bnb_fp4_dq", "bnb_llm_int8", "bnb_nf4", "bnb_nf4_dq", "bnb_nf4_dq_storage_bf16", "bnb_nf4_f16_skip",
    "ct_fp8_block", "ct_fp8_dynamic", "ct_fp8_tensor_static", "ct_int4_channel_asym", "ct_int4_g32_actorder_group", "ct_int4_g32_asym",
    "ct_int4_g32_sym", "ct_mxfp4a16", "ct_nvfp4", "ct_sparse24_bitmask", "ct_w8a8_dynamic", "ct_w8a8_static", "gptq_b3_g64_asym",
    "gptq_b4_g32_asym_act_static", "gptq_b4_g32_sym", "gptq_b4_g64_asym_act", "gptq_b4_g64_asym_v2", "gptq_b4_gall_sym_oldconfig",
    "gptq_b8_g64_asym"};

std::string digest_of(std::span<const float> values) { return sha256_hex(std::as_bytes(values)); }

Result<std::vector<float>> values_of(const ModelSource& source, const std::string& name) {
  if (!source.compressed->holds(name)) return decode_f32(source.file->find(name)->view);
  VB_TRY(const DecodedTensor decoded, source.compressed->decode(name));
  return decode_f32(decoded.view);
}

std::vector<float> rounded(std::vector<float> values, bool bf16) {
  for (float& v : values) v = bf16 ? bf16_to_f32(f32_to_bf16(v)) : f16_to_f32(f32_to_f16(v));
  return values;
}

class Compressed : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { VB_NEED_SHARED("compress"); }
  std::string name_ = "compress/" + GetParam();
};

TEST_P(Compressed, WeightsAreTheOutsideDecodersBitForBit) {
  const auto source = ModelSource::open(shared_data() / name_);
  VB_ASSERT_OK(source);
  ASSERT_NE(source->compressed, nullptr);
  const auto golden = read_golden(name_ + "/golden.json");
  VB_ASSERT_OK(golden);
  const Json* after_rounding = golden->find("dequantised_rounded_to_file_dtype");
  const Json* dtype = golden->find("dtype_of_file");
  std::size_t decoded = 0;
  for (const auto& [name, expected] : golden->find("dequantised_f32")->entries()) {
    const auto values = values_of(*source, name);
    VB_ASSERT_OK(values);
    EXPECT_EQ(digest_of(*values), expected.find("sha256")->as_string()) << name << ": first " << (*values)[0] << ", expected "
                                                                        << expected.find("first")->items()[0].as_double();
    decoded += source->compressed->holds(name) ? 1 : 0;
    const Json* kept = after_rounding ? after_rounding->find(name) : nullptr;
    if (!kept) continue;
    ASSERT_NE(dtype, nullptr);
    const bool bf16 = dtype->as_string().find("bfloat16") != std::string::npos;
    EXPECT_EQ(digest_of(rounded(*values, bf16)), kept->is_string() ? kept->as_string() : kept->find("sha256")->as_string()) << name;
  }
  EXPECT_GE(decoded, 5U);  // of 7 matrices, two folders leave some as they are
}

/// The data's own bound is 1e-4, for computation in f32. The reference stays within a tenth of that on every folder; the model
/// that was never quantised is held to the same bound, as a control of what is not the decoding.
void expect_outside_logits(const std::string& name) {
  const auto golden = open_safetensors(shared_data() / name / "golden.safetensors");
  VB_ASSERT_OK(golden);
  const TensorEntry *prompt = (*golden)->find("prompt_ids"), *expected = (*golden)->find("logits_f64");
  std::vector<std::int32_t> ids;
  for (std::int64_t i = 0; i < prompt->view.shape.elements(); ++i) ids.push_back(static_cast<std::int32_t>(element<std::int64_t>(prompt->view, i)));
  const auto wanted = decode_f64(expected->view);
  VB_ASSERT_OK(wanted);
  for (const char* backend : {"reference", "cpu"}) {
    SCOPED_TRACE(backend);
    const auto session = ModelSession::open(shared_data() / name, backend);
    VB_ASSERT_OK(session);
    const auto logits = (*session)->logits(ids);
    VB_ASSERT_OK(logits);
    EXPECT_LE(max_difference(*logits, *wanted), std::string_view(backend) == "cpu" ? 1e-4 : 1e-5);
  }
}

TEST_P(Compressed, LogitsAreTheOutsideOnes) { expect_outside_logits(name_); }

TEST(CompressedControl, TheUnquantisedBaseIsAsNear) {
  VB_NEED_SHARED("compress/base_m1");
  expect_outside_logits("compress/base_m1");
}

INSTANTIATE_TEST_SUITE_P(Folders, Compressed, ::testing::ValuesIn(kFolders), [](const auto& folder) { return folder.param; });

/// Entries under other names, to be read as a compressed module.
Result<std::vector<float>> decode_renamed(const ModelFile& file, const std::vector<std::pair<std::string, std::string>>& names,
                                          std::vector<TensorEntry> more, const Json& config) {
  for (const auto& [stored, wanted] : names)
    if (const TensorEntry* entry = file.find(stored)) more.push_back({.name = wanted, .view = entry->view, .file = 0});
  VB_TRY(auto made, ModelFile::make(Container::safetensors, file.files(), std::move(more), Json::object()));
  VB_TRY(const auto compressed, CompressedWeights::open(made, config, "quantization_config"));
  VB_TRY(const DecodedTensor decoded, compressed->decode("m.weight"));
  return decode_f32(decoded.view);
}

TEST(CompressedVectors, BitsandbytesBlocksOfEverySizeAndShape) {
  VB_NEED_SHARED("compress/bnb_vectors");
  const auto file = open_safetensors(shared_data() / "compress/bnb_vectors/vectors.safetensors");
  const auto cases = read_golden("compress/bnb_vectors/cases.json");
  const auto nf4 = open_safetensors(shared_data() / "compress/bnb_nf4_dq/model.safetensors");
  const auto fp4 = open_safetensors(shared_data() / "compress/bnb_fp4_dq/model.safetensors");
  VB_ASSERT_OK(file);
  VB_ASSERT_OK(cases);
  VB_ASSERT_OK(nf4);
  VB_ASSERT_OK(fp4);
  const std::string module = "model.layers.0.mlp.up_proj.weight.";
  int compared = 0;
  for (const auto& [name, entry] : cases->find("cases")->entries()) {
    SCOPED_TRACE(name);
    const std::string type = entry.find("quant_type")->as_string();
    const ModelFile& maps = type == "nf4" ? **nf4 : **fp4;
    Json state = Json::object({{"blocksize", *entry.find("blocksize")}, {"shape", *entry.find("shape")}, {"quant_type", type}});
    for (const char* key : {"nested_blocksize", "nested_offset"})
      if (const Json* value = entry.find(key)) state[key] = *value;
    const std::string text = state.dump().value();
    std::vector<TensorEntry> parts{
        {.name = "m.weight.quant_state.bitsandbytes__" + type, .view = {DType::u8, {std::ssize(text)}, std::as_bytes(std::span(text))}, .file = 0},
        {.name = "m.weight.quant_map", .view = maps.find(module + "quant_map")->view, .file = 0},
        {.name = "m.weight.nested_quant_map", .view = maps.find(module + "nested_quant_map")->view, .file = 0}};
    const auto values = decode_renamed(**file, {{name + ".packed", "m.weight"}, {name + ".absmax", "m.weight.absmax"}, {name + ".nested_absmax", "m.weight.nested_absmax"}},
                                       std::move(parts), *Json::parse(R"({"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"})"));
    VB_ASSERT_OK(values);
    EXPECT_EQ(digest_of(*values), entry.find("sha256_dequantised_f32")->as_string());
    ++compared;
  }
  EXPECT_EQ(compared, 52);
}

TEST(CompressedVectors, ASparseMatrixOfUnevenRows) {
  VB_NEED_SHARED("compress/ct_sparse_vectors");
  const auto file = open_safetensors(shared_data() / "compress/ct_sparse_vectors/vectors.safetensors");
  VB_ASSERT_OK(file);
  const Json config = *Json::parse(R"({"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-bitmask"}})");
  std::vector<std::pair<std::string, std::string>> names;
  for (const char* part : {"compressed", "bitmask", "shape", "row_offsets"}) names.emplace_back(std::string("bitmask.a.") + part, std::string("m.") + part);
  const auto values = decode_renamed(**file, names, {}, config);
  VB_ASSERT_OK(values);
  const auto dense = decode_f32((*file)->find("bitmask.dense")->view);
  VB_ASSERT_OK(dense);
  EXPECT_EQ(*values, *dense);
}

// ---- damaged folders

/// A copy of a folder in which `damage` has changed the bytes of the weights.
Error answer_to(const std::string& folder, const std::function<void(std::string& bytes)>& damage, const std::string& config = {}) {
  const TempDir copy;
  const fs::path from = shared_data() / "compress" / folder;
  std::string bytes = read_text(from / "model.safetensors");
  damage(bytes);
  std::ofstream(copy / "model.safetensors", std::ios::binary) << bytes;
  std::ofstream(copy / "config.json", std::ios::binary) << (config.empty() ? read_text(from / "config.json") : config);
  const auto opened = ModelSession::open(copy.path(), "reference");
  return opened ? internal("it was loaded") : opened.error();
}

void replace(std::string& text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  ASSERT_EQ(from.size(), to.size());
  text.replace(at, from.size(), to);
}

/// Overwrites the data of one tensor from its first byte on.
void overwrite(const std::string& folder, std::string& bytes, const std::string& tensor, std::string_view with) {
  const auto file = open_safetensors(shared_data() / "compress" / folder / "model.safetensors");
  VB_ASSERT_OK(file);
  const auto at = (*file)->find(tensor)->view.bytes.data() - (*file)->files().front()->bytes().data();
  bytes.replace(static_cast<std::size_t>(at), with.size(), with);
}

TEST(DamagedCompressed, IsRefusedWithTheTensorsName) {
  VB_NEED_SHARED("compress");
  struct Case {
    const char *folder, *from, *to, *named;
  };
  const Case cases[] = {
      {"gptq_b4_g32_sym", "k_proj.scales\"", "k_proj.scalez\"", "k_proj.scales' is missing"},
      {"gptq_b4_g32_sym", "k_proj.qzeros\"", "k_proj.qzeroz\"", "k_proj.qzeros' is missing"},
      {"awq_g32", "k_proj.qzeros\"", "k_proj.qzeroz\"", "k_proj.qzeros' is missing"},
      {"bnb_nf4", "k_proj.weight.absmax\"", "k_proj.weight.absmix\"", "k_proj.weight.absmax' is missing"},
      {"bnb_nf4", "k_proj.weight.quant_state.", "k_proj.weight.quant_stage.", "k_proj.weight"},
      {"bnb_llm_int8", "k_proj.SCB\"", "k_proj.SCC\"", "k_proj.weight' is i8"},
      {"ct_fp8_dynamic", "k_proj.weight_scale\"", "k_proj.weight_scala\"", "k_proj.weight' is f8_e4m3"},
      {"ct_int4_g32_sym", "k_proj.weight_shape\"", "k_proj.weight_shapa\"", "k_proj.weight_shape' is missing"},
      {"ct_nvfp4", "k_proj.weight_global_scale\"", "k_proj.weight_global_scala\"", "k_proj.weight_scale'"},
      {"ct_sparse24_bitmask", "k_proj.bitmask\"", "k_proj.bitmasc\"", "k_proj.bitmask' is missing"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.folder) + ": " + c.from);
    const Error error = answer_to(c.folder, [&](std::string& bytes) { replace(bytes, c.from, c.to); });
    EXPECT_EQ(error.code, ErrorCode::corrupt) << describe(error);
    EXPECT_NE(describe(error).find(c.named), std::string::npos) << describe(error);
  }
}

TEST(DamagedCompressed, NumbersOutOfRangeAreRefused) {
  VB_NEED_SHARED("compress");
  const std::string far("\x07\x00\x00\x00", 4), negative("\xff\xff\xff\xff", 4), many("\x00\x00\x00\x00\x00\x00\x00\x40", 8);
  struct Case {
    const char *folder, *tensor;
    std::string with;
  };
  const std::string module = "model.layers.0.self_attn.k_proj.";
  for (const Case& c : {Case{"gptq_b4_g32_sym", "g_idx", far}, Case{"gptq_b4_g32_sym", "g_idx", negative},
                        Case{"ct_int4_g32_actorder_group", "weight_g_idx", far}, Case{"ct_int4_g32_sym", "weight_shape", many},
                        Case{"ct_sparse24_bitmask", "bitmask", negative}, Case{"ct_sparse24_bitmask", "shape", many},
                        Case{"bnb_nf4", "weight.quant_state.bitsandbytes__nf4", "{]"}}) {
    SCOPED_TRACE(std::string(c.folder) + ": " + c.tensor);
    const Error error = answer_to(c.folder, [&](std::string& bytes) { overwrite(c.folder, bytes, module + c.tensor, c.with); });
    EXPECT_EQ(error.code, ErrorCode::corrupt) << describe(error);
    EXPECT_NE(describe(error).find("k_proj"), std::string::npos) << describe(error);
  }
}

TEST(DamagedCompressed, UnknownOptionsAreRefusedByName) {
  VB_NEED_SHARED("compress");
  struct Case {
    const char *folder, *key, *value;
  };
  for (const Case& c : {Case{"gptq_b4_g32_sym", "bits", "5"}, Case{"gptq_b4_g32_sym", "checkpoint_format", "\"marlin\""},
                        Case{"gptq_b4_g32_sym", "group_size", "0"}, Case{"gptq_b4_g32_sym", "dynamic", "{\"-:.*k_proj\": {}}"},
                        Case{"awq_g32", "version", "\"gemv\""}, Case{"awq_g32", "bits", "8"}, Case{"awq_g32", "zero_point", "false"},
                        Case{"bnb_nf4", "load_in_8bit", "true"}, Case{"bnb_nf4", "bnb_4bit_quant_type", "\"af4\""},
                        Case{"ct_int4_g32_sym", "format", "\"marlin-24\""}, Case{"ct_int4_g32_sym", "transform_config", "{\"a\": 1}"},
                        Case{"ct_int4_g32_sym", "quant_method", "\"hqq\""}}) {
    SCOPED_TRACE(c.key);
    Json config = *Json::parse(read_text(shared_data() / "compress" / c.folder / "config.json"));
    config["quantization_config"][c.key] = *Json::parse(c.value);
    const Error error = answer_to(c.folder, [](std::string&) {}, config.dump().value());
    EXPECT_EQ(error.code, ErrorCode::unsupported) << describe(error);
    EXPECT_NE(describe(error).find(c.key), std::string::npos) << describe(error);
  }
}

/// The comparison above can fail: one zero point off, and the weights are others.
TEST(DamagedCompressed, AnotherZeroConventionGivesOtherWeights) {
  VB_NEED_SHARED("compress");
  const auto right = ModelSource::open(shared_data() / "compress/gptq_b4_g64_asym_v2");
  VB_ASSERT_OK(right);
  Json config = right->quantization;
  config["checkpoint_format"] = "gptq";
  const auto wrong = CompressedWeights::open(right->file, config, "quantization_config");
  VB_ASSERT_OK(wrong);
  const std::string name = "model.layers.0.self_attn.k_proj.weight";
  const auto a = right->compressed->decode(name), b = (*wrong)->decode(name);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  EXPECT_NE(*a->bytes, *b->bytes);
}

TEST(CompressedFolders, AreRefusedByWhatReadsTensorsAsTheyAreStored) {
  VB_NEED_SHARED("compress");
  const auto compressed = ModelSource::open(shared_data() / "compress/awq_g32"), plain = ModelSource::open(shared_data() / "compress/base_m1");
  VB_ASSERT_OK(compressed);
  VB_ASSERT_OK(plain);
  const Result<void> refused = compressed->refuse_compressed("a full fine-tune");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_NE(refused.error().message.find("awq"), std::string::npos);
  VB_EXPECT_OK(plain->refuse_compressed("a full fine-tune"));
}

TEST(CompressedNotes, SaySoWhereActivationsAreNotRounded) {
  VB_NEED_SHARED("compress");
  for (const char* folder : {"ct_w8a8_dynamic", "ct_w8a8_static", "ct_fp8_dynamic", "ct_nvfp4", "bnb_llm_int8"}) {
    const auto source = ModelSource::open(shared_data() / "compress" / folder);
    VB_ASSERT_OK(source);
    ASSERT_EQ(source->compressed->notes().size(), 1U) << folder;
    EXPECT_NE(source->compressed->notes()[0].find("activations"), std::string::npos);
  }
  const auto source = ModelSource::open(shared_data() / "compress/ct_int4_g32_sym");
  VB_ASSERT_OK(source);
  EXPECT_TRUE(source->compressed->notes().empty());
}

}  // namespace
}  // namespace vauban::test
