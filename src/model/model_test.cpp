#include "model/model.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <limits>

#include "base/files.h"
#include "support/model_session.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

using Session = Result<std::unique_ptr<ModelSession>>;

/// Writes the tiny model after a change and loads it on the reference backend.
class ModelLoad : public testing::Test {
 protected:
  Session load() {
    EXPECT_TRUE(write_tiny_model(folder_ / "tiny", model_).has_value());
    return ModelSession::open(folder_ / "tiny", "reference");
  }
  void expect_refusal(ErrorCode code, std::initializer_list<const char*> named) {
    const Session refused = load();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, code) << describe(refused.error());
    const std::string text = describe(refused.error());
    for (const char* name : named) EXPECT_NE(text.find(name), std::string::npos) << "'" << name << "' in: " << text;
  }
  TinyModel model_ = make_tiny_model();
  TempDir folder_;
};

TEST_F(ModelLoad, KnowsWhoItIs) {
  const Session session = load();
  VB_ASSERT_OK(session);
  const Model& model = (*session)->model();
  EXPECT_EQ(model.identity.name, "tiny");
  EXPECT_EQ(model.identity.architecture, "llama");
  EXPECT_EQ(model.identity.digest.size(), 64U);
  EXPECT_EQ(model.config.eos_ids, (std::vector<std::int32_t>{2}));
  EXPECT_EQ(model.config.bos_id, 1);
  EXPECT_EQ(model.config.context_length, 512);
  EXPECT_TRUE(model.unused_tensors.empty());
  ASSERT_NE(model.tokenizer, nullptr);
  EXPECT_EQ(model.tokenizer->vocab_size(), 300);
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : model_.tensors) bytes += tensor.shape.elements() * 4;
  EXPECT_EQ(model.weight_bytes, bytes);
}

TEST_F(ModelLoad, TheDigestFollowsTheWeightsNotTheFolder) {
  const std::string first = (*load())->model().identity.digest;
  EXPECT_EQ((*load())->model().identity.digest, first);
  model_.tensors.at("model.norm.weight").values[3] += 1e-3F;
  EXPECT_NE((*load())->model().identity.digest, first);
}

TEST_F(ModelLoad, WithoutATokenizerThereIsNone) {
  model_.tokenizer = Json();
  const Session session = load();
  VB_ASSERT_OK(session);
  EXPECT_EQ((*session)->model().tokenizer, nullptr);
}

TEST_F(ModelLoad, EndIdsComeFromTheGenerationConfigFirst) {
  model_.generation_config["eos_token_id"] = Json::array({2, 7});
  EXPECT_EQ((*load())->model().config.eos_ids, (std::vector<std::int32_t>{2, 7}));
}

TEST_F(ModelLoad, EachMissingTensorIsNamed) {
  const TinyModel whole = model_;
  for (const auto& [name, tensor] : whole.tensors) {
    model_ = whole;
    model_.tensors.erase(name);
    expect_refusal(ErrorCode::not_found, {name.c_str(), "is missing in"});
  }
}

TEST_F(ModelLoad, EachMisshapenTensorIsRefusedWithBothShapes) {
  const TinyModel whole = model_;
  for (const auto& [name, tensor] : whole.tensors) {
    model_ = whole;
    TinyTensor& changed = model_.tensors.at(name);
    const std::string expected = changed.shape.to_string();
    std::vector<std::int64_t> dims(changed.shape.dims().begin(), changed.shape.dims().end());
    dims.front() += 1;
    changed.shape = *Shape::from(dims);
    changed.values.resize(static_cast<std::size_t>(changed.shape.elements()), 0.0F);
    expect_refusal(ErrorCode::corrupt, {name.c_str(), ("expected shape " + expected).c_str(),
                                        ("file has f32 " + changed.shape.to_string()).c_str()});
  }
}

TEST_F(ModelLoad, ATransposedTensorIsRefused) {
  model_.tensors.at("model.layers.1.mlp.up_proj.weight").shape = {64, 128};
  expect_refusal(ErrorCode::corrupt, {"model.layers.1.mlp.up_proj.weight", "[128, 64]", "[64, 128]"});
}

TEST_F(ModelLoad, ATruncatedFileIsRefused) {
  VB_ASSERT_OK(write_tiny_model(folder_.path(), model_));
  const std::filesystem::path file = folder_ / "model.safetensors";
  const auto size = std::filesystem::file_size(file);
  for (const auto keep : {size - 1, size / 2, std::uintmax_t{100}, std::uintmax_t{7}, std::uintmax_t{0}}) {
    std::filesystem::resize_file(file, keep);
    const Session refused = ModelSession::open(folder_.path(), "reference");
    ASSERT_FALSE(refused.has_value()) << keep;
    EXPECT_EQ(refused.error().code, ErrorCode::corrupt) << describe(refused.error());
  }
}

TEST_F(ModelLoad, WeightsThatAreNotNumbersAreRefused) {
  model_.tensors.at("model.layers.0.self_attn.k_proj.weight").values[17] = std::numeric_limits<float>::quiet_NaN();
  expect_refusal(ErrorCode::corrupt, {"model.layers.0.self_attn.k_proj.weight"});
}

TEST_F(ModelLoad, TensorsThatNobodyAskedForAreRefusedByName) {
  model_.tensors["model.layers.0.self_attn.q_norm.weight"] = {{16}, std::vector<float>(16)};
  model_.tensors["model.layers.2.input_layernorm.weight"] = {{64}, std::vector<float>(64)};
  expect_refusal(ErrorCode::unsupported, {"2 tensors", "q_norm", "model.layers.2.input_layernorm.weight"});
}

TEST_F(ModelLoad, BiasesThatTheConfigurationDoesNotAnnounceAreRefused) {
  model_.tensors["model.layers.0.self_attn.q_proj.bias"] = {{64}, std::vector<float>(64)};
  expect_refusal(ErrorCode::unsupported, {"q_proj.bias"});
}

TEST_F(ModelLoad, BiasesThatTheConfigurationAnnouncesAreNeeded) {
  model_.config["attention_bias"] = true;
  expect_refusal(ErrorCode::not_found, {"model.layers.0.self_attn.q_proj.bias"});
}

TEST_F(ModelLoad, RotaryBuffersOfOldCheckpointsAreHarmless) {
  model_.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {{8}, std::vector<float>(8)};
  const Session session = load();
  VB_ASSERT_OK(session);
  EXPECT_EQ((*session)->model().unused_tensors,
            (std::vector<std::string>{"model.layers.0.self_attn.rotary_emb.inv_freq"}));
}

TEST_F(ModelLoad, ATiedTableMayHaveEitherNameOrBoth) {
  model_.config["tie_word_embeddings"] = true;
  const TinyTensor table = model_.tensors.at("model.embed_tokens.weight");
  const std::vector<std::int32_t> text = {1, 260, 270, 280};
  const auto logits = [&] { return load().value()->logits(text).value_or(std::vector<double>{}); };
  model_.tensors["lm_head.weight"] = table;
  const std::vector<double> both = logits();
  model_.tensors.erase("lm_head.weight");
  EXPECT_EQ(logits(), both);
  model_.tensors.erase("model.embed_tokens.weight");
  model_.tensors["lm_head.weight"] = table;
  EXPECT_EQ(logits(), both);
  model_.config["tie_word_embeddings"] = false;
  model_.tensors["model.embed_tokens.weight"] = table;
  EXPECT_EQ(logits(), both);
}

TEST_F(ModelLoad, ATiedTableStoredTwiceWithDifferentValuesIsRefused) {
  model_.config["tie_word_embeddings"] = true;
  expect_refusal(ErrorCode::corrupt, {"lm_head.weight", "tie_word_embeddings"});
}

TEST_F(ModelLoad, UnknownPartsAreRefusedByName) {
  const Json known = model_.config;
  struct Case {
    const char *key, *json, *named;
  };
  for (const Case& c :
       {Case{"architectures", R"(["BertModel"])", "'BertModel'"}, Case{"hidden_act", R"("gelu_cubed")", "'gelu_cubed'"},
        Case{"quantization_config", R"({"quant_method": "hqq"})", "\"hqq\""},
        Case{"rope_scaling", R"({"type": "spiral"})", "'spiral'"}, Case{"sliding_window", "4096", "sliding_window"},
        Case{"partial_rotary_factor", "0.25", "partial_rotary_factor"}}) {
    model_.config = known;
    model_.config[c.key] = *Json::parse(c.json);
    expect_refusal(ErrorCode::unsupported, {c.named});
  }
}

TEST_F(ModelLoad, UnfitConfigurationsAreRefusedWithTheKey) {
  const Json known = model_.config;
  struct Case {
    const char *key, *json;
  };
  for (const Case& c :
       {Case{"hidden_size", "null"}, Case{"hidden_size", "-64"}, Case{"hidden_size", "\"64\""},
        Case{"num_hidden_layers", "0"}, Case{"num_hidden_layers", "1e3"}, Case{"num_attention_heads", "3"},
        Case{"num_attention_heads", "99999999"}, Case{"head_dim", "15"}, Case{"head_dim", "1073741824"},
        Case{"vocab_size", "9223372036854775807"}, Case{"rms_norm_eps", "0"}, Case{"tie_word_embeddings", "1"},
        Case{"eos_token_id", "[\"x\"]"}}) {
    SCOPED_TRACE(std::string(c.key) + " = " + c.json);
    model_.config = known;
    model_.config[c.key] = *Json::parse(c.json);
    model_.generation_config = Json::object();
    const Session refused = load();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::corrupt) << describe(refused.error());
  }
}

TEST_F(ModelLoad, DefaultsAreThoseOfTransformers) {
  for (const char* key : {"rope_theta", "num_key_value_heads", "head_dim", "max_position_embeddings", "rms_norm_eps",
                          "hidden_act", "attention_bias", "mlp_bias", "tie_word_embeddings", "rope_scaling"})
    model_.config[key] = Json();
  model_.config["num_attention_heads"] = 2;  // 2 heads of 32, as many for keys and values
  for (const char* layer : {"0", "1"})
    for (const char* part : {"k", "v"}) {
      TinyTensor& tensor =
          model_.tensors.at(std::string("model.layers.") + layer + ".self_attn." + part + "_proj.weight");
      tensor.shape = {64, 64};
      tensor.values.resize(64 * 64, 0.1F);
    }
  const Session session = load();
  VB_ASSERT_OK(session);
  const ModelConfig& c = (*session)->model().config;
  EXPECT_EQ(c.kv_heads, 2);
  EXPECT_EQ(c.head_dim, 32);
  EXPECT_EQ(c.rope_theta, 10000.0);
  EXPECT_EQ(c.norm_epsilon, 1e-6);
  EXPECT_EQ(c.context_length, 2048);
  EXPECT_FALSE(c.tied_head);
}

TEST_F(ModelLoad, EveryArchitectureHasItsEntryComplete) {
  for (const Architecture& a : all_architectures()) {
    EXPECT_FALSE(a.id.empty() || a.summary.empty() || a.source.empty());
    EXPECT_FALSE(a.hf_names.empty() && a.gguf_names.empty());
    EXPECT_TRUE(a.names && (a.config_from_hf || a.hf_names.empty()) && (a.config_from_gguf || a.gguf_names.empty()));
  }
}

}  // namespace
}  // namespace vauban::test
