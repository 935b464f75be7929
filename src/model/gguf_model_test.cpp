// GGUF files of the llama architecture: keys that are refused, and what the format leaves to the reader.
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

#include "base/files.h"
#include "support/gguf_builder.h"
#include "support/model_session.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

using Session = Result<std::unique_ptr<ModelSession>>;

class GgufModel : public testing::Test {
 protected:
  /// The tiny model's file, with more keys (already encoded) put behind its own.
  Session load(const std::string& more_keys = {}, std::int64_t count = 1) {
    std::string file = tiny_gguf(model_);
    if (!more_keys.empty()) file = with_keys(file, more_keys, count);
    EXPECT_TRUE(write_file_atomic(folder_ / "tiny.gguf", file).has_value());
    return ModelSession::open(folder_ / "tiny.gguf", "reference");
  }
  void expect_refusal(const Session& refused, ErrorCode code, const std::string& named) {
    ASSERT_FALSE(refused.has_value()) << named;
    EXPECT_EQ(refused.error().code, code) << describe(refused.error());
    EXPECT_NE(describe(refused.error()).find(named), std::string::npos) << describe(refused.error());
  }
  static std::string text_key(const char* key, const char* value) {
    return GgufBuilder().text(key, value).keys.front();
  }
  static std::string u32_key(const char* key, std::uint32_t value) {
    return GgufBuilder().number<std::uint32_t>(key, 4, value).keys.front();
  }
  static std::string f32_key(const char* key, float value) {
    return GgufBuilder().number<float>(key, 6, value).keys.front();
  }

  TinyModel model_ = make_tiny_model();
  TempDir folder_;

 private:
  /// Keys begin behind magic, version and the two counts; the data must stay aligned, so a filler key takes up the
  /// rest.
  static std::string with_keys(const std::string& file, const std::string& keys, std::int64_t count) {
    constexpr std::size_t kKeysAt = 24, kCountAt = 16, kFillerBytes = 8 + 1 + 4 + 8;
    const std::size_t filler = (32 - (keys.size() + kFillerBytes) % 32) % 32;
    std::int64_t total = 0;
    std::memcpy(&total, file.data() + kCountAt, sizeof total);
    return file.substr(0, kCountAt) + le(total + count + 1) + keys + text_key("z", std::string(filler, 'x').c_str()) +
           file.substr(kKeysAt);
  }
};

TEST_F(GgufModel, ReadsItsConfigurationFromKeys) {
  const Session session = load();
  VB_ASSERT_OK(session);
  const ModelConfig& c = (*session)->model().config;
  EXPECT_EQ(c.vocab_size, 300);  // no such key in the file: the embedding says it
  EXPECT_EQ(c.kv_heads, 2);
  EXPECT_EQ(c.head_dim, 16);
  EXPECT_EQ(c.norm_epsilon, 1e-5);  // stored as f32
  EXPECT_EQ(c.eos_ids, (std::vector<std::int32_t>{2}));
  EXPECT_FALSE(c.tied_head);
  EXPECT_EQ((*session)->model().tokenizer, nullptr);
}

TEST_F(GgufModel, PartsOfOtherModelsUnderTheSameNameAreRefused) {
  expect_refusal(load(u32_key("llama.expert_count", 8)), ErrorCode::corrupt, "llama.expert_used_count");
  expect_refusal(load(f32_key("llama.final_logit_softcapping", 30)), ErrorCode::unsupported, "final_logit_softcapping");
  expect_refusal(load(text_key("llama.rope.scaling.type", "spiral")), ErrorCode::unsupported, "'spiral'");
  expect_refusal(load(text_key("general.type", "adapter")), ErrorCode::unsupported, "'adapter'");
  expect_refusal(load(u32_key("llama.vocab_size", 299)), ErrorCode::corrupt, "token_embd.weight");
  VB_EXPECT_OK(load(u32_key("llama.expert_count", 0)));
  VB_EXPECT_OK(load(text_key("general.type", "model")));
}

/// Of a Mistral: every layer has it.
TEST_F(GgufModel, AWindowIsObeyed) {
  const Session windowed = load(u32_key("llama.attention.sliding_window", 4096));
  VB_ASSERT_OK(windowed);
  EXPECT_EQ((*windowed)->model().config.window, 4096);
  expect_refusal(load(u32_key("llama.attention.sliding_window", 0)), ErrorCode::corrupt, "sliding_window");
}

TEST_F(GgufModel, LinearScalingDividesTheFrequencies) {
  const Session plain = load();
  const Session scaled =
      load(text_key("llama.rope.scaling.type", "linear") + f32_key("llama.rope.scaling.factor", 4), 2);
  VB_ASSERT_OK(plain);
  VB_ASSERT_OK(scaled);
  EXPECT_EQ((*scaled)->model().config.decoder.ropes.front().table.inverse_frequency[1] * 4,
            (*plain)->model().config.decoder.ropes.front().table.inverse_frequency[1]);
  const Session older = load(f32_key("llama.rope.scale_linear", 4));
  VB_ASSERT_OK(older);
  EXPECT_EQ((*older)->model().config.decoder.ropes.front().table.inverse_frequency, (*scaled)->model().config.decoder.ropes.front().table.inverse_frequency);
}

TEST_F(GgufModel, RopeFactorsAreUsedAndChecked) {
  model_.tensors["rope_freqs.weight"] = {{8}, {1, 1, 1, 1, 2, 4, 8, 8}};
  const Session session = load();
  VB_ASSERT_OK(session);
  EXPECT_DOUBLE_EQ((*session)->model().config.decoder.ropes.front().table.inverse_frequency[5], std::pow(10000.0, -10.0 / 16) / 4);
  model_.tensors["rope_freqs.weight"].values[2] = 0;
  expect_refusal(load(), ErrorCode::corrupt, "rope_freqs.weight");
  model_.tensors["rope_freqs.weight"] = {{4}, {1, 1, 1, 1}};
  expect_refusal(load(), ErrorCode::corrupt, "expected shape [8], file has [4]");
}

TEST_F(GgufModel, MissingAndMisshapenTensorsAreNamedAsStored) {
  TinyModel whole = model_;
  model_.tensors.erase("model.layers.1.self_attn.q_proj.weight");
  expect_refusal(load(), ErrorCode::not_found, "'blk.1.attn_q.weight' is missing in");
  model_ = whole;
  model_.tensors.erase("model.embed_tokens.weight");
  expect_refusal(load(), ErrorCode::not_found, "token_embd.weight");
  model_ = whole;
  model_.tensors["blk.0.attn_q_norm.weight"] = {{16}, std::vector<float>(16)};
  expect_refusal(load(), ErrorCode::unsupported, "blk.0.attn_q_norm.weight");
}

TEST_F(GgufModel, BiasesAreReadWhereTheFileHasThemAndPermutedWithTheirRows) {
  for (const char* layer : {"0", "1"})
    for (const auto& [part, rows] : {std::pair{"q", 64}, {"k", 32}, {"v", 32}, {"o", 64}}) {
      std::vector<float> values;
      for (int i = 0; i < rows; ++i) values.push_back(0.01F * static_cast<float>(i) - 0.2F);
      model_.tensors[std::string("model.layers.") + layer + ".self_attn." + part + "_proj.bias"] = {{rows}, values};
    }
  model_.config["attention_bias"] = true;
  const Session from_gguf = load();
  VB_ASSERT_OK(from_gguf);
  EXPECT_TRUE((*from_gguf)->model().config.attention_bias);
  VB_ASSERT_OK(write_tiny_model(folder_ / "hf", model_));
  const Session from_hf = ModelSession::open(folder_ / "hf", "reference");
  VB_ASSERT_OK(from_hf);
  const std::vector<std::int32_t> text = {1, 260, 270, 280, 265};
  EXPECT_EQ((*from_hf)->logits(text).value_or(std::vector<double>{}),
            (*from_gguf)->logits(text).value_or(std::vector<double>{1}));
}

TEST_F(GgufModel, TheFileThatMustBeRefusedIs) {
  const char* kBad = "models/gguf/NEGATIVE-stories260K-Q4_0-bad-row-length.gguf";
  VB_NEED_SHARED(kBad);
  expect_refusal(ModelSession::open(shared_data() / kBad, "reference"), ErrorCode::corrupt, "blk.0");
}

}  // namespace
}  // namespace vauban::test
