// Quantised files that llama.cpp opened, decoded and ran: our logits of the same files. tests/peers/llama_cpp. The families of
// the shared tiny models are compared in convert_archs_test.cpp.
#include <gmock/gmock.h>

#include "base/json_file.h"
#include "base/result.h"
#include "support/model_session.h"
#include "support/test_context.h"
#include "support/test_data.h"
#include "support/tiny_model.h"
#include "transform/quantize/quantize.h"

namespace vauban {
namespace {

namespace fs = std::filesystem;

/// Value i of tensor `number`, in [-1, 1): integers and powers of two, so that the script that asked llama.cpp makes the same.
float hashed(std::uint32_t i, std::uint32_t number) {
  std::uint32_t h = i * 2654435761U + number * 40503U + 12345U;
  h = (h ^ (h >> 15)) * 2246822519U;
  h = (h ^ (h >> 13)) * 3266489917U;
  return static_cast<float>(static_cast<std::int32_t>((h ^ (h >> 16)) & 0xFFFFU) - 32768) / 32768.0F;
}

/// A Llama of one layer whose rows are 256 wide: freeze.py's wide_model.
test::TinyModel wide_model() {
  constexpr std::int64_t kWidth = 256, kMlp = 256, kVocab = 64, kKeys = 128;
  const std::string layer = "model.layers.0.";
  const std::vector<std::pair<std::string, Shape>> shapes = {
      {"model.embed_tokens.weight", {kVocab, kWidth}}, {"model.norm.weight", {kWidth}}, {"lm_head.weight", {kVocab, kWidth}},
      {layer + "input_layernorm.weight", {kWidth}}, {layer + "post_attention_layernorm.weight", {kWidth}},
      {layer + "self_attn.q_proj.weight", {kWidth, kWidth}}, {layer + "self_attn.k_proj.weight", {kKeys, kWidth}},
      {layer + "self_attn.v_proj.weight", {kKeys, kWidth}}, {layer + "self_attn.o_proj.weight", {kWidth, kWidth}},
      {layer + "mlp.gate_proj.weight", {kMlp, kWidth}}, {layer + "mlp.up_proj.weight", {kMlp, kWidth}},
      {layer + "mlp.down_proj.weight", {kWidth, kMlp}}};
  test::TinyModel model;
  model.config = Json::object({{"architectures", Json::array({"LlamaForCausalLM"})}, {"model_type", "llama"}, {"hidden_size", kWidth},
                               {"intermediate_size", kMlp}, {"vocab_size", kVocab}, {"num_hidden_layers", 1}, {"num_attention_heads", 4},
                               {"num_key_value_heads", 2}, {"head_dim", 64}, {"max_position_embeddings", 512}, {"rms_norm_eps", 1e-5},
                               {"rope_theta", 10000.0}, {"hidden_act", "silu"}, {"tie_word_embeddings", false}});
  model.generation_config = Json::object();
  for (std::uint32_t number = 0; number < shapes.size(); ++number) {
    const auto& [name, shape] = shapes[number];
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    for (std::uint32_t i = 0; i < values.size(); ++i)
      values[i] = shape.rank() == 1 ? 1.0F + hashed(i, number) / 4.0F : hashed(i, number) / 8.0F;
    model.tensors[name] = {shape, std::move(values)};
  }
  return model;
}

/// Our logits of `folder` quantised so, against those of llama.cpp on the same file, which it decoded itself.
class LlamaCpp : public testing::TestWithParam<const char*>, protected test::TestContext {
 protected:
  void expect_its_logits(const fs::path& folder, const char* model, double tolerance) {
    const auto frozen = read_json_file(test::source_dir() / "tests/peers/llama_cpp/frozen.json");
    VB_ASSERT_OK(frozen);
    const Json& answers = *frozen->find(model);
    const Json& answer = *answers.find("recipes")->find(GetParam());
    const Json& expected = *answer.find("last");
    std::vector<std::int32_t> ids;
    for (const Json& id : answers.find("ids")->items()) ids.push_back(static_cast<std::int32_t>(id.as_int()));

    const auto source = ModelSource::open(folder);
    VB_ASSERT_OK(source);
    VB_ASSERT_OK(quantize_model(*source, work_ / "m.gguf", {.recipe = GetParam(), .overrides = {}, .tokenizer = {}, .tool = {}}, context_));
    auto session = test::ModelSession::open(work_ / "m.gguf", "reference");
    VB_ASSERT_OK(session);
    EXPECT_EQ(Json((*session)->model().file->digest()), *answer.find("digest")) << "another file than llama.cpp opened";
    const auto logits = (*session)->logits(ids);
    VB_ASSERT_OK(logits);
    const auto last = std::span(*logits).last(static_cast<std::size_t>((*session)->vocab()));
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(last[i], expected.items()[i].as_double(), tolerance) << i;
  }

  test::TempDir work_;
};

TEST_P(LlamaCpp, DecodesAndRunsRowsOfWholeBlocksAsWeDo) {
  VB_ASSERT_OK(test::write_tiny_model(work_ / "wide", wide_model()));
  expect_its_logits(work_ / "wide", "wide", 1e-4);
}
INSTANTIATE_TEST_SUITE_P(Recipes, LlamaCpp, testing::Values("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K",
                                                             "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "F16", "BF16"),
                         [](const auto& recipe) { return std::string(recipe.param); });

/// Four layers with a tokenizer; rows of 192 fall back to types of smaller blocks.
class TrainedInLlamaCpp : public LlamaCpp {};
TEST_P(TrainedInLlamaCpp, DecodesAndRunsTheMixtureAsWeDo) {
  expect_its_logits(test::source_dir() / "models/garrison/base", "garrison_base", 4e-4);
}
INSTANTIATE_TEST_SUITE_P(Recipes, TrainedInLlamaCpp, testing::Values("Q4_K_M", "Q5_K_M"),
                         [](const auto& recipe) { return std::string(recipe.param); });

}  // namespace
}  // namespace vauban
