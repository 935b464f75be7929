// GPT-2 (Conv1D weights, a table of positions) and Phi-3 (fused projections) on their way to GGUF and back.
#include <gmock/gmock.h>

#include "base/json_file.h"
#include "base/result.h"
#include "support/model_session.h"
#include "support/test_context.h"
#include "support/test_data.h"
#include "transform/quantize/quantize.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using test::shared_data;
using test::TempDir;

class ConvertFamilies : public testing::Test, protected test::TestContext {
 protected:
  Result<TransformReport> convert(const fs::path& in, const fs::path& out, ConvertOptions options = {}) {
    options.to = out.extension() == ".gguf" ? Container::gguf : Container::safetensors;
    VB_TRY(const ModelSource source, ModelSource::open(in));
    return convert_model(source, out, options, context_);
  }
  Result<TransformReport> quantize(const fs::path& in, const fs::path& out, const QuantizeOptions& options) {
    VB_TRY(const ModelSource source, ModelSource::open(in));
    return quantize_model(source, out, options, context_);
  }
  /// A copy of a shared tiny model whose config.json is changed.
  fs::path changed(const std::string& name, const std::function<void(Json&)>& change) {
    const fs::path folder = work_ / ("changed_" + name);
    fs::create_directories(folder);
    fs::copy(tiny(name) / "model.safetensors", folder / "model.safetensors");
    Json config = *read_json_file(tiny(name) / "config.json");
    change(config);
    EXPECT_TRUE(write_file_atomic(folder / "config.json", *config.dump()).has_value());
    return folder;
  }
  static fs::path tiny(const std::string& name) { return shared_data() / "tiny_models" / name; }

  TempDir work_;
};

/// GGUFs that keep the experts of a layer, or the heads of latent attention, as one tensor.
TEST_F(ConvertFamilies, StacksOfAGgufStayWhole) {
  VB_NEED_SHARED("tiny_models/mixtral/model.f32.gguf");
  for (const char* name : {"mixtral", "deepseek_v3", "gptoss_truncate", "phi3_longrope"}) {
    SCOPED_TRACE(name);
    const fs::path from = tiny(name) / "model.f32.gguf", out = work_ / (std::string(name) + ".gguf");
    VB_ASSERT_OK(quantize(from, out, {.recipe = "F16"}));
    const auto source = ModelSource::open(from), made = ModelSource::open(out);
    VB_ASSERT_OK(made);
    ASSERT_EQ(made->file->tensors().size(), source->file->tensors().size());
    for (const TensorEntry& tensor : source->file->tensors()) {
      const TensorEntry* own = made->file->find(tensor.name);
      ASSERT_NE(own, nullptr) << tensor.name;
      EXPECT_EQ(own->view.shape, tensor.view.shape) << tensor.name;
      const std::vector<float> before = *decode_f32(tensor.view), after = *decode_f32(own->view);
      for (std::size_t i = 0; i < before.size(); ++i)
        ASSERT_NEAR(after[i], before[i], 1e-3F * std::max(1.0F, std::abs(before[i]))) << tensor.name << " " << i;
    }
    EXPECT_EQ(made->file->find("blk.0.attn_output.weight")->view.dtype, DType::f16);
    EXPECT_TRUE(test::ModelSession::open(out, "cpu").has_value());
  }
}

std::shared_ptr<const ModelFile> weights(const fs::path& path) { return ModelSource::open(path)->file; }

std::vector<double> logits_of(const fs::path& path) {
  auto session = test::ModelSession::open(path, "reference");
  EXPECT_TRUE(session.has_value()) << describe(session.error());
  if (!session) return {};
  const std::vector<std::int32_t> ids{1, 5, 9, 14, 3, 77, 200, 42, 8, 8, 17, 250, 4, 30, 31, 99};
  return *(*session)->logits(ids);
}

void expect_same_bytes(const ModelFile& expected, const ModelFile& found) {
  EXPECT_EQ(expected.tensors().size(), found.tensors().size());
  for (const TensorEntry& tensor : expected.tensors()) {
    const TensorEntry* other = found.find(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    EXPECT_EQ(tensor.view.dtype, other->view.dtype) << tensor.name;
    EXPECT_EQ(tensor.view.shape, other->view.shape) << tensor.name;
    EXPECT_TRUE(std::ranges::equal(tensor.view.bytes, other->view.bytes)) << tensor.name;
  }
}

TEST_F(ConvertFamilies, Gpt2GivesLlamaCppsTensorsAndKeys) {
  VB_NEED_SHARED("tiny_models/gpt2/model.f32.gguf");
  VB_ASSERT_OK(convert(tiny("gpt2"), work_ / "m.gguf"));
  const auto made = weights(work_ / "m.gguf"), expected = weights(tiny("gpt2") / "model.f32.gguf");
  expect_same_bytes(*expected, *made);
  for (const auto& [key, value] : expected->metadata().entries()) {
    if (key.starts_with("tokenizer.") || key == "general.name" || key == "general.size_label") continue;
    ASSERT_NE(made->metadata().find(key), nullptr) << key;
    EXPECT_EQ(*made->metadata().find(key), value) << key;
  }
}

TEST_F(ConvertFamilies, Phi3HasTheKeysOfLlamaCpp) {
  VB_NEED_SHARED("tiny_models/phi3_longrope/model.f32.gguf");
  VB_ASSERT_OK(convert(tiny("phi3"), work_ / "m.gguf"));
  const auto made = weights(work_ / "m.gguf"), other = weights(tiny("phi3_longrope") / "model.f32.gguf");
  for (const auto& [key, value] : other->metadata().entries()) {
    if (!key.starts_with("phi3.") || key == "phi3.rope.scaling.attn_factor") continue;  // that one is longrope's
    EXPECT_NE(made->metadata().find(key), nullptr) << key;
  }
  for (const TensorEntry& tensor : other->tensors()) {
    if (tensor.name.starts_with("rope_factors")) continue;
    EXPECT_NE(made->find(tensor.name), nullptr) << tensor.name;
  }
  EXPECT_EQ(made->metadata().find("phi3.attention.sliding_window")->as_int(), 13);
}

TEST_F(ConvertFamilies, RoundTripsGiveTheSameBitsLogitsAndConfiguration) {
  VB_NEED_SHARED("tiny_models/phi3");
  for (const char* name : {"gpt2", "phi3"}) {
    SCOPED_TRACE(name);
    const fs::path gguf = work_ / (std::string(name) + ".gguf"), back = work_ / name;
    VB_ASSERT_OK(convert(tiny(name), gguf));
    VB_ASSERT_OK(convert(gguf, back));
    expect_same_bytes(*weights(tiny(name)), *weights(back));
    EXPECT_TRUE(*read_json_file(tiny(name) / "config.json") == *read_json_file(back / "config.json"));
    const std::vector<double> expected = logits_of(tiny(name));
    EXPECT_EQ(logits_of(gguf), expected);
    EXPECT_EQ(logits_of(back), expected);
  }
}

TEST_F(ConvertFamilies, Gpt2sPublishedNamesAndMasksAreUnderstood) {
  VB_NEED_SHARED("tiny_models/gpt2_hubnames");  // no "transformer." before names, and the causal masks as tensors
  ASSERT_NE(weights(tiny("gpt2_hubnames"))->find("h.0.attn.bias"), nullptr);
  VB_ASSERT_OK(convert(tiny("gpt2_hubnames"), work_ / "m.gguf"));
  EXPECT_EQ(weights(work_ / "m.gguf")->find("blk.0.attn.bias"), nullptr);
  VB_ASSERT_OK(convert(work_ / "m.gguf", work_ / "back"));
  EXPECT_EQ(logits_of(work_ / "back"), logits_of(tiny("gpt2_hubnames")));
}

TEST_F(ConvertFamilies, ConfigurationsAreMadeFromKeysWhereNoneWasKept) {
  VB_NEED_SHARED("tiny_models/gpt2/model.f32.gguf");
  VB_ASSERT_OK(convert(tiny("gpt2") / "model.f32.gguf", work_ / "gpt2"));
  const Json made = *read_json_file(work_ / "gpt2/config.json"), source = *read_json_file(tiny("gpt2") / "config.json");
  for (const char* key : {"n_embd", "n_head", "n_inner", "n_layer", "n_positions", "n_ctx", "vocab_size", "model_type",
                          "activation_function", "layer_norm_epsilon", "bos_token_id", "eos_token_id", "architectures"}) {
    ASSERT_NE(made.find(key), nullptr) << key;
    EXPECT_EQ(*made.find(key), *source.find(key)) << key;
  }
  expect_same_bytes(*weights(tiny("gpt2")), *weights(work_ / "gpt2"));
  // Phi-3: without the kept text, so that the keys speak.
  VB_ASSERT_OK(convert(tiny("phi3"), work_ / "phi3.gguf"));
  const std::shared_ptr<const ModelFile> with_text = weights(work_ / "phi3.gguf");
  const auto contents = parse_gguf(with_text->files().front()->bytes());
  std::vector<GgufKey> keys = gguf_keys(*contents);
  std::erase_if(keys, [](const GgufKey& key) { return key.name.starts_with("vauban."); });
  std::vector<TensorOut> tensors;
  for (const TensorEntry& tensor : contents->tensors)
    tensors.push_back({.name = tensor.name, .dtype = tensor.view.dtype, .shape = tensor.view.shape,
                       .make = [&tensor]() -> Result<TensorBytes> { return TensorBytes{tensor.view.bytes, {}}; }});
  VB_ASSERT_OK(write_gguf(work_ / "bare.gguf", keys, tensors));
  VB_ASSERT_OK(convert(work_ / "bare.gguf", work_ / "phi3"));
  EXPECT_EQ(logits_of(work_ / "phi3"), logits_of(tiny("phi3")));
  EXPECT_EQ(read_json_file(work_ / "phi3/config.json")->find("sliding_window")->as_int(), 13);
}

TEST_F(ConvertFamilies, ThePositionTableStaysF32InAGgufAndReturnsToTheFoldersType) {
  VB_NEED_SHARED("tiny_models/gpt2");
  VB_ASSERT_OK(convert(tiny("gpt2"), work_ / "half", {.dtype = DType::bf16, .tool = {}}));
  VB_ASSERT_OK(convert(work_ / "half", work_ / "m.gguf"));
  const auto made = weights(work_ / "m.gguf");
  EXPECT_EQ(made->find("position_embd.weight")->view.dtype, DType::f32);
  EXPECT_EQ(made->find("token_embd.weight")->view.dtype, DType::bf16);
  VB_ASSERT_OK(convert(work_ / "m.gguf", work_ / "back"));
  expect_same_bytes(*weights(work_ / "half"), *weights(work_ / "back"));
}

TEST_F(ConvertFamilies, QuantisedMatricesAreDecodedBeforeTheyAreTransposed) {
  VB_NEED_SHARED("tiny_models/gpt2");
  // Rows of 40 and 160: only down divides into blocks of 32.
  VB_ASSERT_OK(quantize(tiny("gpt2"), work_ / "m.gguf", {.recipe = "F32", .overrides = {"ffn_down=q8_0"}, .tokenizer = {}, .tool = {}}));
  EXPECT_EQ(weights(work_ / "m.gguf")->find("blk.0.ffn_down.weight")->view.dtype, DType::q8_0);
  EXPECT_EQ(weights(work_ / "m.gguf")->find("position_embd.weight")->view.dtype, DType::f32);
  VB_ASSERT_OK(convert(work_ / "m.gguf", work_ / "back", {.dtype = DType::f32, .tool = {}}));
  EXPECT_EQ(logits_of(work_ / "back"), logits_of(work_ / "m.gguf"));
  EXPECT_NE(logits_of(work_ / "back"), logits_of(tiny("gpt2")));
}

TEST_F(ConvertFamilies, WhatTheKeysCannotSayIsRefusedByName) {
  VB_NEED_SHARED("tiny_models/phi3");
  const fs::path relu = changed("gpt2", [](Json& config) { config["activation_function"] = "relu"; });
  const auto refused = convert(relu, work_ / "m.gguf");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
  EXPECT_NE(describe(refused.error()).find("activation"), std::string::npos) << describe(refused.error());
  const fs::path dynamic = changed("phi3", [](Json& config) { config["rope_scaling"] = Json::object({{"type", "dynamic"}, {"factor", 2.0}}); });
  const auto scaled = convert(dynamic, work_ / "m.gguf");
  ASSERT_FALSE(scaled.has_value());
  EXPECT_NE(describe(scaled.error()).find("'dynamic'"), std::string::npos) << describe(scaled.error());
  EXPECT_FALSE(fs::exists(work_ / "m.gguf"));
}

TEST_F(ConvertFamilies, AttachedAdaptersAreRefusedWithTheWayOut) {
  VB_NEED_SHARED("tiny_models/llama");
  const fs::path adapter = shared_data() / "peft/tiny";
  std::string found;
  for (const auto& at : fs::directory_iterator(adapter)) {
    const auto source = ModelSource::open_with_adapters(tiny("llama").string() + "+" + at.path().string());
    if (!source || source->adapters.empty()) continue;
    const auto refused = convert_model(*source, work_ / "m.gguf", {}, context_);
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(describe(refused.error()).find("merge-adapter"), std::string::npos) << describe(refused.error());
    EXPECT_FALSE(quantize_model(*source, work_ / "m.gguf", {.recipe = "F32", .tokenizer = {}, .tool = {}}, context_).has_value());
    found = at.path().string();
    break;
  }
  EXPECT_FALSE(found.empty());
  EXPECT_TRUE(fs::is_empty(work_.path()));
}

}  // namespace
}  // namespace vauban
