// Seeded random models by transformers: every variant this build knows, in both configuration styles; the rest is
// refused by name.
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backends/backends.h"
#include "base/result.h"
#include "format/safetensors.h"
#include "golden/golden_case.h"
#include "support/model_session.h"
#include "support/backends_here.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

constexpr const char* kFamily = "tiny_models";
const std::vector<std::string> kKnown = {
    "bloom",       "cohere",           "cohere2",            "exaone4",          "falcon_alibi",      "falcon_mq",
    "falcon_new",  "gemma",            "gemma2",             "gemma3",           "gemma3_linear",     "glm4",
    "gpt2",        "gpt2_hubnames",    "gptj",               "gptneox",          "gptneox_seq",       "granite",
    "llama",       "llama_bf16",       "llama_bias",         "llama_headdim",    "llama_rope_dynamic", "llama_rope_linear",
    "llama_rope_llama3", "llama_rope_yarn", "llama_tied",    "mistral_sliding",  "mpt",               "nemotron",
    "olmo",        "olmo2",            "opt",                "phi",              "phi3",              "phi3_longrope",
    "qwen2",       "qwen2_sliding",    "qwen3",              "smollm3",          "stablelm",          "stablelm_parallel",
    "starcoder2",  "mixtral",          "qwen2_moe",          "qwen2_moe_sparse", "qwen3_moe",         "qwen3_moe_nonorm",
    "gptoss",      "gptoss_truncate",  "deepseek_v2",        "deepseek_v2_group", "deepseek_v3",
    "lfm2",        "mamba",            "qwen3_next"};

struct Expected {
  std::shared_ptr<const ModelFile> file;
  Json meta;

  static Result<Expected> open(const std::string& model) {
    Expected out;
    VB_TRY(out.file, open_safetensors(shared_data() / kFamily / model / "golden.safetensors"));
    VB_TRY(out.meta, read_golden(std::string(kFamily) + "/" + model + "/golden.json"));
    return out;
  }
  std::vector<double> f32(const std::string& name) const {
    const Result<std::vector<float>> values = decode_f32(file->find(name)->view);
    return values ? std::vector<double>(values->begin(), values->end()) : std::vector<double>();
  }
  std::vector<double> f64(const std::string& name) const {
    const auto bytes = file->find(name)->view.bytes;
    std::vector<double> out(bytes.size() / sizeof(double));
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }
  std::vector<std::int32_t> prompt(const char* length) const { return ids(*meta.find("prompts")->find(length)); }
  std::vector<std::int32_t> greedy(const char* length) const { return ids(*meta.find("greedy")->find(length)); }
};

/// f32 against float64 differs by up to 2e-5 over these models (their README); the reference is float64 itself.
/// Norms that are stored less 1 are put together in f32.
double logit_bound(const std::string& model, const std::string& backend) {
  if (backend != "reference") return 1e-4;
  return model.starts_with("gemma") || model.starts_with("nemotron") || model == "qwen3_next" ? 1e-5 : 1e-9;
}

void check_logits(ModelSession& session, const Expected& expected, double bound) {
  for (const char* length : {"short", "medium", "long"}) {
    SCOPED_TRACE(length);
    const auto logits = session.logits(expected.prompt(length));
    VB_ASSERT_OK(logits);
    const std::vector<double> last(logits->end() - session.vocab(), logits->end());
    EXPECT_LE(max_difference(last, expected.f64(std::string(length) + ".logits_last_f64")), bound);
    if (const std::string all = std::string(length) + ".logits"; expected.file->find(all)) {
      EXPECT_LE(max_difference(*logits, expected.f32(all)), 1e-4);
    }
    const std::vector<std::int32_t> continuation = expected.greedy(length);
    const auto made = session.greedy(expected.prompt(length), static_cast<int>(continuation.size()));
    VB_ASSERT_OK(made);
    EXPECT_EQ(*made, continuation);
  }
}

void check_residuals(ModelSession& session, const Expected& expected) {
  const int layers = static_cast<int>(session.model().config.layers);
  const CollectTap tap(layers, {Site::resid_pre, Site::resid_post});
  VB_ASSERT_OK(session.logits(expected.prompt("short"), tap));
  EXPECT_LE(max_difference(tap.find(Site::resid_pre, 0)->values, expected.f32("short.embeddings")), 1e-5);
  std::vector<double> all;
  for (int layer = 0; layer < layers; ++layer) {
    const std::vector<double>& values = tap.find(Site::resid_post, layer)->values;
    all.insert(all.end(), values.begin(), values.end());
  }
  const std::vector<double> states = expected.f32("short.hidden_states");
  double largest = 0.0;  // LFM2's stream reaches 564, where f32 itself resolves 6e-5
  for (const double value : states) largest = std::max(largest, std::abs(value));
  EXPECT_LE(max_difference(all, states), std::max(1e-4, 1e-6 * largest));
}

class TinyModels : public testing::TestWithParam<std::tuple<std::string, Place>> {
 protected:
  std::string model() const { return std::get<0>(GetParam()); }
  const Place& place() const { return std::get<1>(GetParam()); }
  void check(const std::filesystem::path& path, double bound) {
    const auto expected = Expected::open(model());
    VB_ASSERT_OK(expected);
    const auto session = ModelSession::open(path, place());
    VB_ASSERT_OK(session);
    check_logits(**session, *expected, bound);
    check_residuals(**session, *expected);
  }
};

INSTANTIATE_TEST_SUITE_P(Known, TinyModels,
                         testing::Combine(testing::ValuesIn(kKnown), testing::ValuesIn(places_here())),
                         [](const auto& param) { return std::get<0>(param.param) + "_" + std::get<1>(param.param).name(); });

TEST_P(TinyModels, LogitsResidualsAndGreedyIdsMatchTransformers) {
  VB_NEED_SHARED(kFamily);
  check(shared_data() / kFamily / model(), logit_bound(model(), place().backend));
}

TEST_P(TinyModels, NewStyleConfigurationGivesTheSameModel) {
  VB_NEED_SHARED(kFamily);
  const TempDir folder;
  const std::filesystem::path from = shared_data() / kFamily / model();
  std::filesystem::copy_file(from / "config.new_style.json", folder / "config.json");
  std::filesystem::copy_file(from / "model.safetensors", folder / "model.safetensors");
  check(folder.path(), logit_bound(model(), place().backend));
}

const std::vector<std::string> kShipped = {"falcon_new", "gemma", "gemma2", "gemma3", "gpt2", "gptneox", "granite", "llama",
                                            "llama_rope_llama3", "olmo2", "phi", "phi3_longrope", "qwen2", "smollm3",
                                            "stablelm", "starcoder2", "mixtral", "qwen2_moe", "qwen3_moe", "gptoss_truncate",
                                            "deepseek_v3"};
class TinyGgufs : public TinyModels {};
INSTANTIATE_TEST_SUITE_P(Shipped, TinyGgufs,
                         testing::Combine(testing::ValuesIn(kShipped),
                                          testing::ValuesIn(places_here())),
                         [](const auto& param) { return std::get<0>(param.param) + "_" + std::get<1>(param.param).name(); });

TEST_P(TinyGgufs, GgufGivesTheSameModel) {
  VB_NEED_SHARED(kFamily);
  check(shared_data() / kFamily / model() / "model.f32.gguf", 1e-4);  // rope_freqs.weight holds f32 factors
}

Error refusal(const std::filesystem::path& path) {
  const auto session = ModelSession::open(path, "reference");
  EXPECT_FALSE(session.has_value()) << path;
  return session ? Error{} : session.error();
}

/// No folder is passed over in silence.
TEST(UnknownModels, ThereIsNoSeededModelThatIsNotTested) {
  VB_NEED_SHARED(kFamily);
  for (const auto& entry : std::filesystem::directory_iterator(shared_data() / kFamily)) {
    if (!entry.is_directory()) continue;
    EXPECT_NE(std::ranges::find(kKnown, entry.path().filename().string()), kKnown.end()) << entry.path();
  }
}

TEST(UnknownModels, OtherFamiliesAreRefusedByName) {
  VB_NEED_SHARED(kFamily);
  const TempDir folder;
  std::filesystem::copy_file(shared_data() / kFamily / "llama/model.safetensors", folder / "model.safetensors");
  auto config = read_golden(std::string(kFamily) + "/llama/config.json");
  VB_ASSERT_OK(config);
  for (const char* name : {"T5ForConditionalGeneration", "BertForMaskedLM", "LlamaForCausalLM2", "llamaforcausallm", ""}) {
    (*config)["architectures"] = Json::array({name});
    std::ofstream(folder / "config.json") << config->dump().value();
    const Error error = refusal(folder.path());
    EXPECT_EQ(error.code, ErrorCode::unsupported) << name;
    EXPECT_NE(error.message.find(format("'{}'", name)), std::string::npos) << describe(error);
  }
}

}  // namespace
}  // namespace vauban::test
