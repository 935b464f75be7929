// Converting between formats: tensors, configuration, tokenizer and logits, with llama.cpp's and transformers' files as
// outside answers.
#include "transform/convert/convert.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <limits>

#include "base/faulty_file_ops.h"
#include "base/json_file.h"
#include "base/result.h"
#include "support/model_session.h"
#include "support/test_context.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "transform/convert/tokenizer_probe.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;
using test::shared_data;
using test::TempDir;

class Convert : public testing::Test, protected test::TestContext {
 protected:
  Result<TransformReport> convert(const fs::path& in, const fs::path& out, ConvertOptions options = {}, FileOps& ops = real_file_ops()) {
    options.to = out.extension() == ".gguf" ? Container::gguf : Container::safetensors;
    options.tool = "vauban test";
    VB_TRY(const ModelSource source, ModelSource::open(in));
    return convert_model(source, out, options, context_, ops);
  }
  static ConvertOptions inexact() { return {.dtype = {}, .tokenizer = {.allow_inexact = true}, .tool = {}}; }

  TempDir work_;
};

void expect_equal_tensors(const ModelFile& a, const ModelFile& b) {
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (const TensorEntry& tensor : a.tensors()) {
    const TensorEntry* other = b.find(tensor.name);
    ASSERT_NE(other, nullptr) << tensor.name;
    EXPECT_EQ(tensor.view.dtype, other->view.dtype) << tensor.name;
    EXPECT_EQ(tensor.view.shape, other->view.shape) << tensor.name;
    EXPECT_TRUE(std::ranges::equal(tensor.view.bytes, other->view.bytes)) << tensor.name;
  }
}

std::shared_ptr<const ModelFile> weights(const fs::path& path) {
  const auto source = ModelSource::open(path);
  EXPECT_TRUE(source.has_value()) << describe(source.error());
  return source->file;
}

/// Element 70 of one matrix is no number: whatever the type, nothing is written.
TEST_F(Convert, WeightsThatAreNotFiniteAreRefusedByName) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    test::TinyModel model = test::make_tiny_model();
    model.tensors["model.layers.1.mlp.up_proj.weight"].values[70] = bad;
    VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", model));
    for (const std::optional<DType> dtype : {std::optional<DType>(), std::optional(DType::f16), std::optional(DType::bf16)})
      for (const auto& [out, name] : {std::pair("m.gguf", "blk.1.ffn_up.weight"), std::pair("folder", "model.layers.1.mlp.up_proj.weight")}) {
        ConvertOptions options = inexact();
        options.dtype = dtype;
        const auto refused = convert(work_ / "tiny", work_ / out, options);
        ASSERT_FALSE(refused.has_value()) << out << " " << bad;
        EXPECT_EQ(refused.error().code, ErrorCode::corrupt);
        EXPECT_NE(describe(refused.error()).find(name), std::string::npos) << describe(refused.error());
        EXPECT_NE(describe(refused.error()).find("element 70"), std::string::npos) << describe(refused.error());
        EXPECT_FALSE(fs::exists(work_ / out));
      }
  }
}

std::vector<double> logits_of(const fs::path& path) {
  auto session = test::ModelSession::open(path, "reference");
  EXPECT_TRUE(session.has_value()) << describe(session.error());
  const std::vector<std::int32_t> ids{1, 5, 9, 14, 3, 77, 200, 42};
  auto logits = (*session)->logits(ids);
  EXPECT_TRUE(logits.has_value());
  return *logits;
}

std::vector<fs::path> llama_folders(bool with_gguf) {
  std::vector<fs::path> folders;
  if (!fs::exists(shared_data() / "tiny_models")) return folders;
  for (const auto& at : fs::directory_iterator(shared_data() / "tiny_models")) {
    const auto source = ModelSource::open(at.path());
    if (!source || !find_architecture(*source) || !(*find_architecture(*source))->config_from_hf(*source)) continue;
    if ((*find_architecture(*source))->id != "llama" || at.path().filename() == "llama_rope_dynamic") continue;
    if (!with_gguf || fs::exists(at.path() / "model.f32.gguf")) folders.push_back(at.path());
  }
  return folders;
}

TEST_F(Convert, GivesLlamaCppsTensorsByteForByte) {
  VB_NEED_SHARED("tiny_models");
  const auto folders = llama_folders(true);
  ASSERT_GE(folders.size(), 2u);
  for (const fs::path& folder : folders) {
    SCOPED_TRACE(folder.string());
    const fs::path out = work_ / (folder.filename().string() + ".gguf");
    VB_ASSERT_OK(convert(folder, out));
    const auto made = weights(out), expected = weights(folder / "model.f32.gguf");
    for (const TensorEntry& tensor : expected->tensors()) {
      const TensorEntry* own = made->find(tensor.name);
      ASSERT_NE(own, nullptr) << tensor.name;
      if (tensor.name != "rope_freqs.weight")
        EXPECT_TRUE(std::ranges::equal(tensor.view.bytes, own->view.bytes)) << tensor.name;
      else  // that converter computes the frequencies in f32
        EXPECT_THAT(*decode_f32(own->view), testing::Pointwise(testing::FloatNear(1e-5F), *decode_f32(tensor.view)));
    }
    EXPECT_EQ(made->tensors().size(), expected->tensors().size());
  }
}

TEST_F(Convert, ARopeScalingWithoutAPlaceInTheFormatIsRefused) {
  VB_NEED_SHARED("tiny_models/llama_rope_dynamic");
  const auto refused = convert(shared_data() / "tiny_models/llama_rope_dynamic", work_ / "m.gguf");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("'dynamic'"), std::string::npos) << describe(refused.error());
  EXPECT_FALSE(fs::exists(work_ / "m.gguf"));
}

TEST_F(Convert, WritesTheKeysThatLlamaCppsConverterWrites) {
  VB_NEED_SHARED("tiny_models/llama/model.f32.gguf");
  VB_ASSERT_OK(convert(shared_data() / "tiny_models/llama", work_ / "m.gguf"));
  const auto made = weights(work_ / "m.gguf"), expected = weights(shared_data() / "tiny_models/llama/model.f32.gguf");
  for (const auto& [key, value] : expected->metadata().entries()) {
    // Names are the user's, and that file's tokenizer is a filler: the folder has none.
    if (key.starts_with("tokenizer.") || key == "general.name" || key == "general.size_label") continue;
    const Json* own = made->metadata().find(key);
    ASSERT_NE(own, nullptr) << key;
    EXPECT_EQ(*own, value) << key;
  }
}

TEST_F(Convert, RoundTripsGiveTheSameBitsAndTheSameNetwork) {
  VB_NEED_SHARED("tiny_models");
  const auto folders = llama_folders(false);
  ASSERT_GE(folders.size(), 7u);
  for (const fs::path& folder : folders) {
    SCOPED_TRACE(folder.string());
    const std::string name = folder.filename().string();
    VB_ASSERT_OK(convert(folder, work_ / (name + ".gguf")));
    VB_ASSERT_OK(convert(work_ / (name + ".gguf"), work_ / name));
    expect_equal_tensors(*weights(folder), *weights(work_ / name));
    const Json before = *read_json_file(folder / "config.json"), after = *read_json_file(work_ / name / "config.json");
    EXPECT_EQ(before, after);
    EXPECT_EQ(logits_of(folder), logits_of(work_ / name));
  }
}

TEST_F(Convert, TheGgufComputesTheFoldersLogitsBitForBit) {
  VB_NEED_SHARED("tiny_models");
  for (const fs::path& folder : llama_folders(false)) {
    SCOPED_TRACE(folder.string());
    const fs::path out = work_ / (folder.filename().string() + ".gguf");
    VB_ASSERT_OK(convert(folder, out));
    const std::vector<double> expected = logits_of(folder), found = logits_of(out);
    if (weights(out)->find("rope_freqs.weight") == nullptr && folder.filename() != "llama_rope_linear")
      EXPECT_EQ(found, expected);
    else  // the format holds rotary factors as f32
      EXPECT_THAT(found, testing::Pointwise(testing::DoubleNear(1e-5), expected));
  }
}

TEST_F(Convert, AConfigurationIsMadeFromKeysWhereTheFileCameFromElsewhere) {
  VB_NEED_SHARED("tiny_models");
  for (const fs::path& folder : llama_folders(true)) {
    SCOPED_TRACE(folder.string());
    const fs::path out = work_ / folder.filename().string();
    VB_ASSERT_OK(convert(folder / "model.f32.gguf", out));
    const Json config = *read_json_file(out / "config.json"), source = *read_json_file(folder / "config.json");
    for (const char* key : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                            "vocab_size", "rms_norm_eps", "rope_theta", "max_position_embeddings", "tie_word_embeddings",
                            "attention_bias", "mlp_bias", "torch_dtype", "bos_token_id"})
      EXPECT_EQ(*config.find(key), *source.find(key)) << key;
    if (const Json* scaling = source.find("rope_scaling"); scaling && scaling->is_object()) {
      for (const auto& [key, value] : scaling->entries()) {
        if (!value.is_number()) continue;
        EXPECT_EQ(config.find("rope_scaling")->find(key)->as_double(), value.as_double()) << key;
      }
    }
    expect_equal_tensors(*weights(folder), *weights(out));
  }
}

TEST_F(Convert, RealModelsKeepTokenizerLogitsAndTensors) {
  VB_NEED_SHARED("models/stories260K/hf");
  const fs::path folder = shared_data() / "models/stories260K/hf";
  VB_ASSERT_OK(convert(folder, work_ / "m.gguf"));
  VB_ASSERT_OK(convert(work_ / "m.gguf", work_ / "back"));
  expect_equal_tensors(*weights(folder), *weights(work_ / "back"));
  EXPECT_EQ(logits_of(work_ / "m.gguf"), logits_of(folder));
  const auto before = load_tokenizer(*ModelSource::open(folder)), gguf = load_tokenizer(*ModelSource::open(work_ / "m.gguf")),
             after = load_tokenizer(*ModelSource::open(work_ / "back")), model = load_tokenizer_file(work_ / "back/tokenizer.model");
  for (const auto* other : {&gguf, &after, &model}) {
    VB_ASSERT_OK(*other);
    EXPECT_EQ(first_difference(**before, ***other).value(), "");
    EXPECT_EQ((**before).bos(), (***other).bos());
    EXPECT_EQ((**before).eos(), (***other).eos());
  }
}

TEST_F(Convert, MergeRanksBecomeScoresAsInLlamaCppsFile) {
  VB_NEED_SHARED("models/TinyStories-656K");
  const fs::path folder = shared_data() / "models/TinyStories-656K";  // tokenizer.json alone, the table under the head's name
  const auto made = convert(folder, work_ / "m.gguf");
  VB_ASSERT_OK(made);
  EXPECT_THAT(made->notes, testing::Contains(testing::HasSubstr("have no token in the vocabulary: llama.cpp stops")));
  EXPECT_EQ(logits_of(work_ / "m.gguf"), logits_of(folder));
  const auto own = weights(work_ / "m.gguf"), expected = weights(shared_data() / "models/gguf/TinyStories-656K-F32.gguf");
  expect_equal_tensors(*own, *expected);
  for (const char* key : {"tokens", "scores", "token_type", "bos_token_id", "eos_token_id", "unknown_token_id", "add_bos_token", "add_eos_token"})
    EXPECT_EQ(*own->metadata().find(std::string("tokenizer.ggml.") + key), *expected->metadata().find(std::string("tokenizer.ggml.") + key)) << key;
  VB_ASSERT_OK(convert(work_ / "m.gguf", work_ / "back"));
  const auto before = load_tokenizer(*ModelSource::open(folder)), after = load_tokenizer(*ModelSource::open(work_ / "back"));
  VB_ASSERT_OK(after);
  EXPECT_EQ(first_difference(**before, **after).value(), "");
  EXPECT_EQ(weights(work_ / "back")->find("model.embed_tokens.weight")->view.bytes.size(), expected->find("token_embd.weight")->view.bytes.size());
}

/// In "ret" the merges r+e, then t alone; scores would also join r with "et", which no merge does.
TEST_F(Convert, AVocabularyThatGgufCannotExpressIsRefusedOrKeptWhole) {
  test::TinyModel model = test::make_tiny_model();
  Json& bpe = model.tokenizer["model"];
  Json::Array merges = bpe.find("merges")->items();
  merges.insert(merges.begin(), Json("e t"));
  merges.push_back(Json("re t"));
  bpe["merges"] = Json(merges);
  Json::Object entries = bpe.find("vocab")->entries();
  std::erase_if(entries, [](const auto& entry) { return entry.second.as_int() >= 298; });
  entries["et"] = 298;
  entries["ret"] = 299;
  const Json vocabulary(entries);
  bpe["vocab"] = vocabulary;
  Json::Array kept;
  for (const Json& merge : merges) {
    std::string joined;
    for (const char c : merge.as_string())
      if (c != ' ') joined += c;
    if (vocabulary.find(joined)) kept.push_back(merge);
  }
  bpe["merges"] = Json(kept);
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", model));
  const auto refused = convert(work_ / "tiny", work_ / "m.gguf");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(describe(refused.error()).find("--inexact-tokenizer"), std::string::npos) << describe(refused.error());
  EXPECT_FALSE(fs::exists(work_ / "m.gguf"));
  const auto made = convert(work_ / "tiny", work_ / "m.gguf", inexact());
  VB_ASSERT_OK(made);
  EXPECT_EQ(made->notes.size(), 1u);
  VB_ASSERT_OK(convert(work_ / "m.gguf", work_ / "back"));
  EXPECT_EQ(test::read_text(work_ / "tiny/tokenizer.json"), test::read_text(work_ / "back/tokenizer.json"));
}

TEST_F(Convert, ChangesTheTypeAndStatesIt) {
  VB_NEED_SHARED("models/gguf/TinyStories-656K-F16.gguf");
  const fs::path gguf = shared_data() / "models/gguf";
  VB_ASSERT_OK(convert(gguf / "TinyStories-656K-F32.gguf", work_ / "m.gguf", {.dtype = DType::f16, .tool = {}}));
  expect_equal_tensors(*weights(work_ / "m.gguf"), *weights(gguf / "TinyStories-656K-F16.gguf"));
  EXPECT_EQ(weights(work_ / "m.gguf")->metadata().find("general.file_type")->as_int(), 1);
  VB_ASSERT_OK(convert(gguf / "TinyStories-656K-Q8_0.gguf", work_ / "f32.gguf", {.dtype = DType::f32, .tool = {}}));
  EXPECT_EQ(logits_of(work_ / "f32.gguf"), logits_of(gguf / "TinyStories-656K-Q8_0.gguf"));
  const auto refused = convert(gguf / "TinyStories-656K-Q8_0.gguf", work_ / "hf");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(describe(refused.error()).find("--dtype"), std::string::npos) << describe(refused.error());
}

TEST_F(Convert, TheLineageNamesTheSourceAndEqualInputsGiveEqualBytes) {
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", test::TinyModelOptions{}));
  const auto report = convert(work_ / "tiny", work_ / "a.gguf", inexact());
  VB_ASSERT_OK(report);
  VB_ASSERT_OK(convert(work_ / "tiny", work_ / "b.gguf", inexact()));
  EXPECT_TRUE(test::read_text(work_ / "a.gguf") == test::read_text(work_ / "b.gguf"));
  const auto made = weights(work_ / "a.gguf");
  EXPECT_EQ(made->metadata().find("vauban.lineage.base_digest")->as_string(), weights(work_ / "tiny")->digest());
  EXPECT_EQ(made->metadata().find("vauban.lineage.tool")->as_string(), "vauban test");
  EXPECT_EQ(report->digest, made->digest());
  EXPECT_EQ(report->file_bytes, fs::file_size(work_ / "a.gguf"));
  VB_ASSERT_OK(convert(work_ / "a.gguf", work_ / "back", {.dtype = {}, .shard_bytes = 100'000, .tool = {}}));
  EXPECT_EQ(weights(work_ / "back")->metadata().find("vauban.lineage.base_digest")->as_string(), made->digest());
  EXPECT_GT(weights(work_ / "back")->files().size(), 1u);
  EXPECT_EQ(weights(work_ / "back")->digest(), weights(work_ / "tiny")->digest());
}

TEST_F(Convert, ChatTemplatesTravelBothWays) {
  test::TinyModel model = test::make_tiny_model();
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", model));
  VB_ASSERT_OK(write_file_atomic(work_ / "tiny/chat_template.jinja", "{{ messages }}\n{# default #}"));
  VB_ASSERT_OK(convert(work_ / "tiny", work_ / "m.gguf", inexact()));
  EXPECT_EQ(weights(work_ / "m.gguf")->metadata().find("tokenizer.chat_template")->as_string(), "{{ messages }}\n{# default #}");
  VB_ASSERT_OK(convert(work_ / "m.gguf", work_ / "back"));
  EXPECT_EQ(test::read_text(work_ / "back/chat_template.jinja"), "{{ messages }}\n{# default #}");
}

TEST_F(Convert, NothingIsLeftBehindSilently) {
  test::TinyModel model = test::make_tiny_model();
  model.tensors["model.layers.0.extra.weight"] = {{2}, {1, 2}};
  VB_ASSERT_OK(test::write_tiny_model(work_ / "extra", model));
  const auto extra = convert(work_ / "extra", work_ / "m.gguf", inexact());
  ASSERT_FALSE(extra.has_value());
  EXPECT_NE(describe(extra.error()).find("model.layers.0.extra.weight"), std::string::npos);
  model = test::make_tiny_model();
  model.tensors.erase("model.norm.weight");
  VB_ASSERT_OK(test::write_tiny_model(work_ / "less", model));
  EXPECT_EQ(convert(work_ / "less", work_ / "m.gguf", inexact()).error().code, ErrorCode::not_found);
  model = test::make_tiny_model();
  model.config["num_hidden_layers"] = 65536;
  VB_ASSERT_OK(test::write_tiny_model(work_ / "many", model));
  EXPECT_EQ(convert(work_ / "many", work_ / "m.gguf", inexact()).error().code, ErrorCode::corrupt);
  model = test::make_tiny_model();
  model.tensors["lm_head.weight"].values[7] = 70000.0F;
  VB_ASSERT_OK(test::write_tiny_model(work_ / "large", model));
  ConvertOptions half = inexact();
  half.dtype = DType::f16;
  const auto large = convert(work_ / "large", work_ / "m.gguf", half);
  ASSERT_FALSE(large.has_value());
  EXPECT_NE(describe(large.error()).find("65504"), std::string::npos);
  EXPECT_FALSE(fs::exists(work_ / "m.gguf"));
}

TEST_F(Convert, TheInputIsNeverTheOutput) {
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", test::TinyModelOptions{}));
  VB_ASSERT_OK(convert(work_ / "tiny", work_ / "m.gguf", inexact()));
  fs::create_hard_link(work_ / "m.gguf", work_ / "same.gguf");
  fs::create_directory_symlink(work_ / "tiny", work_ / "link");
  const std::string before = test::read_text(work_ / "m.gguf");
  for (const char* out : {"m.gguf", "same.gguf"}) EXPECT_FALSE(convert(work_ / "m.gguf", work_ / out).has_value()) << out;
  for (const char* out : {"tiny", "link"}) EXPECT_FALSE(convert(work_ / "tiny", work_ / out).has_value()) << out;
  EXPECT_TRUE(test::read_text(work_ / "m.gguf") == before);
}

TEST_F(Convert, AFullDiskLeavesNothing) {
  VB_ASSERT_OK(test::write_tiny_model(work_ / "tiny", test::TinyModelOptions{}));
  VB_ASSERT_OK(convert(work_ / "tiny", work_ / "source.gguf", inexact()));
  for (const char* out : {"m.gguf", "folder"}) {
    test::FaultyFileOps faulty({.call = "write", .nth = 5, .error_number = ENOSPC, .times = 1000});
    const auto failed = convert(work_ / "source.gguf", work_ / out, {}, faulty);
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code, ErrorCode::resource) << describe(failed.error());
    EXPECT_FALSE(fs::exists(work_ / out));
  }
  CancelToken cancelled;
  cancelled.cancel();
  const Context stopped{pool_, clock_, progress_, cancelled};
  const auto source = ModelSource::open(work_ / "source.gguf");
  EXPECT_EQ(convert_model(*source, work_ / "m.gguf", {}, stopped).error().code, ErrorCode::cancelled);
  EXPECT_EQ(std::distance(fs::directory_iterator(work_.path()), {}), 2);
}

}  // namespace
}  // namespace vauban
