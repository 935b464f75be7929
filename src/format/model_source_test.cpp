#include "format/model_source.h"

#include <cmath>
#include <sys/stat.h>

#include "base/files.h"
#include "base/result.h"
#include "format/safetensors_writer.h"
#include "support/gguf_builder.h"
#include "support/test_data.h"

namespace vauban {
namespace {

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    put("config.json", R"({"model_type":"llama","vocab_size":2})");
    weights("model.safetensors");
  }
  void put(const std::string& name, const std::string& text) { VB_ASSERT_OK(write_file_atomic(folder_ / name, text)); }
  void weights(const std::string& name) {
    const TensorView view{DType::f32, {2}, std::as_bytes(std::span(values_))};
    VB_ASSERT_OK(write_safetensors(folder_ / name, {{"w", view}}));
  }
  void expect_refused(const std::filesystem::path& path, ErrorCode code, std::string_view reason) {
    const auto result = ModelSource::open(path);
    ASSERT_FALSE(result.has_value()) << reason;
    EXPECT_EQ(result.error().code, code) << describe(result.error());
    EXPECT_NE(describe(result.error()).find(reason), std::string::npos) << describe(result.error());
  }
  test::TempDir folder_;
  float values_[2] = {1, 2};
};

TEST_F(Folder, OpensWithWhatItHolds) {
  put("tokenizer.json", "{}");
  put("tokenizer_config.json", R"({"add_bos_token":true})");
  const auto source = ModelSource::open(folder_.path());
  VB_ASSERT_OK(source);
  EXPECT_FALSE(source->is_gguf());
  EXPECT_EQ(source->config.get_int("vocab_size").value(), 2);
  EXPECT_TRUE(source->tokenizer_config.get_bool("add_bos_token").value());
  EXPECT_TRUE(source->generation_config.is_null());
  EXPECT_TRUE(source->special_tokens_map.is_null());
  EXPECT_EQ(source->tokenizer_json, folder_ / "tokenizer.json");
  EXPECT_FALSE(source->tokenizer_model);
  EXPECT_FALSE(source->chat_template);
  EXPECT_EQ(source->name, folder_.path().filename());
}

TEST_F(Folder, OpensByItsWeightFile) {
  weights("tuned.v2.safetensors");
  const auto source = ModelSource::open(folder_ / "tuned.v2.safetensors");
  VB_ASSERT_OK(source);
  EXPECT_EQ(source->name, "tuned.v2");
  EXPECT_EQ(source->config.get_string("model_type").value(), "llama");
}

TEST_F(Folder, KeepsDotsInTheNameOfAFolder) {
  const auto dotted = folder_ / "Qwen-0.5B";
  std::filesystem::create_directory(dotted);
  std::filesystem::copy(folder_ / "config.json", dotted / "config.json");
  std::filesystem::copy(folder_ / "model.safetensors", dotted / "model.safetensors");
  EXPECT_EQ(ModelSource::open(dotted).value().name, "Qwen-0.5B");
  EXPECT_EQ(ModelSource::open(dotted / "").value().name, "Qwen-0.5B");
  EXPECT_EQ(ModelSource::open(dotted / ".").value().name, "Qwen-0.5B");
}

TEST_F(Folder, PrefersSafetensorsToOtherWeights) {
  put("pytorch_model.bin", "pickle");
  put("model.gguf", "GGUF");
  VB_EXPECT_OK(ModelSource::open(folder_.path()));
}

TEST_F(Folder, RefusesAMissingConfigByName) {
  std::filesystem::remove(folder_ / "config.json");
  expect_refused(folder_.path(), ErrorCode::not_found, "config.json is missing");
  expect_refused(folder_ / "model.safetensors", ErrorCode::not_found, "config.json is missing");
}

TEST_F(Folder, RefusesMissingWeightsAndSaysWhatThereIs) {
  std::filesystem::remove(folder_ / "model.safetensors");
  expect_refused(folder_.path(), ErrorCode::not_found, "neither model.safetensors nor model.safetensors.index.json");
  weights("other.safetensors");
  expect_refused(folder_.path(), ErrorCode::not_found, "the folder holds other.safetensors");
  put("pytorch_model.bin", "pickle");
  expect_refused(folder_.path(), ErrorCode::not_found, "pytorch_model.bin is a pickle");
  put("model.gguf", "GGUF");
  expect_refused(folder_.path(), ErrorCode::not_found, "name the GGUF file itself");
}

TEST_F(Folder, RefusesConfigurationThatIsNoJsonObject) {
  for (const char* text : {"", "[]", "{\"a\":1,\"a\":2}", "{'a': 1}", "{} x", "{\"a\": NaN}"}) {
    put("config.json", text);
    expect_refused(folder_.path(), ErrorCode::corrupt, "config.json");
  }
  put("config.json", "{}");
  for (const char* name : {"generation_config.json", "tokenizer_config.json", "special_tokens_map.json"}) {
    put(name, "3");
    expect_refused(folder_.path(), ErrorCode::corrupt, name);
    std::filesystem::remove(folder_ / name);
  }
}

TEST_F(Folder, RefusesAConfigurationAboveTheSizeLimit) {
  put("config.json", "{}" + std::string((std::size_t{16} << 20) + 1, ' '));
  expect_refused(folder_.path(), ErrorCode::resource, "config.json");
}

TEST_F(Folder, RefusesDamagedWeights) {
  put("model.safetensors", "damaged");
  expect_refused(folder_.path(), ErrorCode::corrupt, "model.safetensors");
}

TEST_F(Folder, RefusesWhatIsNoModel) {
  expect_refused(folder_ / "absent", ErrorCode::not_found, "no model at");
  expect_refused(folder_ / "config.json", ErrorCode::unsupported, "expected a folder");
  ASSERT_EQ(::mkfifo((folder_ / "pipe.gguf").c_str(), 0600), 0);
  expect_refused(folder_ / "pipe.gguf", ErrorCode::invalid_input, "neither a file nor a folder");
}

TEST(ModelSource, OpensAGgufFile) {
  const test::TempDir folder;
  test::GgufBuilder builder;
  builder.text("general.architecture", "llama").tensor({.name = "w", .ne = {2}, .data = "12345678"});
  VB_ASSERT_OK(write_file_atomic(folder / "tiny.Q4_0.gguf", builder.build()));
  const auto source = ModelSource::open(folder / "tiny.Q4_0.gguf");
  VB_ASSERT_OK(source);
  EXPECT_TRUE(source->is_gguf());
  EXPECT_EQ(source->name, "tiny.Q4_0");
  EXPECT_TRUE(source->config.is_null());
  EXPECT_EQ(source->file->metadata().get_string("general.architecture").value(), "llama");
}

void expect_tensor(const ModelSource& source, std::string_view name, DType dtype, const Shape& shape) {
  const TensorEntry* tensor = source.file->find(name);
  ASSERT_NE(tensor, nullptr) << name;
  EXPECT_EQ(tensor->view.dtype, dtype) << name;
  EXPECT_EQ(tensor->view.shape.to_string(), shape.to_string()) << name;
}

TEST(ModelSource, OpensTheRealModels) {
  VB_NEED_SHARED("models/stories260K/hf");
  const auto small = ModelSource::open(test::shared_data() / "models/stories260K/hf");
  VB_ASSERT_OK(small);
  EXPECT_EQ(small->name, "hf");
  EXPECT_EQ(small->config.get_int("vocab_size").value(), 512);
  EXPECT_TRUE(small->tokenizer_model && small->tokenizer_json);
  expect_tensor(*small, "model.embed_tokens.weight", DType::f32, {512, 64});
  expect_tensor(*small, "model.layers.4.mlp.down_proj.weight", DType::f32, {64, 172});
  expect_tensor(*small, "model.layers.0.self_attn.k_proj.weight", DType::f32, {32, 64});
  EXPECT_EQ(small->file->tensors().size(), 47u);

  const auto tied = ModelSource::open(test::shared_data() / "models/TinyStories-656K");
  VB_ASSERT_OK(tied);
  expect_tensor(*tied, "lm_head.weight", DType::f32, {2048, 128});
  EXPECT_EQ(tied->file->find("model.embed_tokens.weight"), nullptr);
}

TEST(ModelSource, OpensTheRealGgufFiles) {
  VB_NEED_SHARED("models/gguf");
  const struct {
    const char* name;
    DType dtype;
  } files[] = {{"F32", DType::f32},   {"F16", DType::f16},   {"Q8_0", DType::q8_0},
               {"Q5_0", DType::q5_0}, {"Q4_1", DType::q4_1}, {"Q4_0", DType::q4_0}};
  for (const auto& file : files) {
    const auto source =
        ModelSource::open(test::shared_data() / format("models/gguf/TinyStories-656K-{}.gguf", file.name));
    VB_ASSERT_OK(source);
    EXPECT_EQ(source->file->metadata().get_string("general.architecture").value(), "llama");
    expect_tensor(*source, "blk.0.attn_q.weight", file.dtype, {128, 128});
    expect_tensor(*source, "blk.1.ffn_down.weight", file.dtype, {128, 384});
    expect_tensor(*source, "output_norm.weight", DType::f32, {128});
    EXPECT_EQ(source->file->metadata().find("tokenizer.ggml.tokens")->size(), 2048u);
  }
}

/// The quantised files hold ggml's encoding of the F32 file: decoding one and encoding the other must meet in the
/// bytes.
TEST(ModelSource, TheRealQuantisedFilesDecodeCloseToTheF32File) {
  VB_NEED_SHARED("models/gguf");
  const auto exact = ModelSource::open(test::shared_data() / "models/gguf/TinyStories-656K-F32.gguf");
  VB_ASSERT_OK(exact);
  for (const char* name : {"F16", "Q8_0", "Q5_0", "Q4_1", "Q4_0"}) {
    const auto coarse = ModelSource::open(test::shared_data() / format("models/gguf/TinyStories-656K-{}.gguf", name));
    VB_ASSERT_OK(coarse);
    for (const TensorEntry& tensor : exact->file->tensors()) {
      const auto want = decode_f32(tensor.view), got = decode_f32(coarse->file->find(tensor.name)->view);
      VB_ASSERT_OK(got);
      double error = 0, power = 0;
      for (std::size_t i = 0; i < want->size(); ++i)
        error += std::pow(double{(*got)[i]} - (*want)[i], 2), power += std::pow(double{(*want)[i]}, 2);
      EXPECT_LE(error, 0.02 * power) << name << ' ' << tensor.name;  // four bits: (1/16)^2 and a margin
    }
  }
}

}  // namespace
}  // namespace vauban
