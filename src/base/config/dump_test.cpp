#include "base/config/dump.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>

#include "base/config/config_test_structs.h"
#include "base/config/reader.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using config_test::Audit;

Audit full() {
  Audit config;
  config.model = "m \"quoted\" \\ \n\t\x01\x7f é 'x'";
  config.extra_models = {"a", ""};
  config.seed = std::numeric_limits<std::int64_t>::min();
  config.memory = std::numeric_limits<std::uint64_t>::max();
  config.json = true;
  config.verbose = false;
  config.alpha = 1;
  config.beta = 0.1F;
  config.scorers = {};
  config.layers = {1, 2};
  config.ids = {-5};
  config.alphas = {0.1, -1e-7, 3};
  config.weights = {1e30F};
  config.basis = {{1e300, 0.30000000000000004}, {}};
  config.labels = {{"plain", "x"}, {"needs quotes é", "y\nz"}, {"", "empty key"}};
  config.extra = *Json::parse(R"({"a": [1, {"b": [[], {}]}], "t": [{"x": 1}, {"x": 2.5}], "s": {"u": {"v": false}}})");
  config.out = "-";
  config.sampling = {.temperature = 0.7, .top_k = 1, .min_p = 0.3F};
  config.prompts = {{"p1", "multi\nline", "c", "refuse", {"t1", "t2"}, {{}}}, {"p2", "x", "default", {}, {}, {}}};
  return config;
}

TEST(ConfigDump, TomlReadsBackAsAnEqualStruct) {
  const std::string text = to_toml(full());
  const auto config = read_toml<Audit>(text, "");
  VB_ASSERT_OK(config);
  EXPECT_EQ(*config, full()) << text;
  EXPECT_EQ(to_toml(*config), text);
}

TEST(ConfigDump, JsonReadsBackAsAnEqualStruct) {
  const auto config = from_json<Audit>(to_json(full()), "dump");
  VB_ASSERT_OK(config);
  EXPECT_EQ(*config, full());
}

TEST(ConfigDump, ReadsLikeAHandWrittenFile) {
  Audit config;
  config.model = "m";
  config.prompts = {{"p1", "Hi", "default", {}, {"a", "b"}, {{.temperature = 1, .top_k = 2, .min_p = 0.5F}}}};
  EXPECT_EQ(to_toml(config), R"(model = "m"
extra_models = []
max_tokens = 80
memory = 0
json = false
record = true
scorers = ["deterministic_v1"]
layers = []
ids = []
alphas = []
weights = []
basis = []

[labels]

[sampling]
temperature = 0.0
top_k = 40
min_p = 0.05

[[prompts]]
id = "p1"
text = "Hi"
category = "default"
tags = ["a", "b"]

[prompts.sampling]
temperature = 1.0
top_k = 2
min_p = 0.5
)");
}

TEST(ConfigDump, JsonHasEveryValueAndNoEmptyOptional) {
  Audit config;
  config.model = "m";
  config.beta = 0.1F;
  const Json json = to_json(config);
  EXPECT_EQ(json.find("seed"), nullptr);
  EXPECT_EQ(json.find("mode"), nullptr);
  EXPECT_EQ(json.find("max_tokens")->as_int(), 80);
  EXPECT_EQ(*json.find("beta")->dump(), "0.1") << "a float is written as a float";
}

TEST(ConfigDump, FloatsSurviveBitForBit) {
  std::mt19937_64 random(99);
  Audit config;
  config.model = "m";
  for (int i = 0; i < 20000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (value - value == 0) config.weights.push_back(value);
    const std::uint64_t wide_bits = random();
    double wide = 0;
    std::memcpy(&wide, &wide_bits, sizeof wide);
    if (wide - wide == 0) config.basis.push_back({wide});
  }
  const auto back = read_toml<Audit>(to_toml(config), "");
  VB_ASSERT_OK(back);
  EXPECT_TRUE(back->weights == config.weights);
  EXPECT_TRUE(back->basis == config.basis);
}

TEST(ConfigDump, WritesPathsAsSeenFromTheFolderOfTheDump) {
  Audit config;
  config.model = "models/m.gguf";
  config.extra_models = {"/abs/n", "https://host/v1", "runs/1/o"};
  const std::string text = to_toml(config, "runs/1");
  EXPECT_NE(text.find("model = \"../../models/m.gguf\""), std::string::npos) << text;
  const auto back = read_toml<Audit>(text, "runs/1/config.toml");
  VB_ASSERT_OK(back);
  EXPECT_EQ(back->model, config.model);
  EXPECT_EQ(back->extra_models, config.extra_models);
  const auto absolute = read_toml<Audit>(to_toml(config, "/somewhere"), "/somewhere/config.toml");
  VB_ASSERT_OK(absolute);
  EXPECT_EQ(absolute->model, std::filesystem::absolute(config.model).string());
}

}  // namespace
}  // namespace vauban
