#include "model/adapter_targets.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/result.h"
#include "model/model.h"
#include "support/test_data.h"

namespace vauban {
namespace {

/// Two layers of the llama family.
std::vector<TargetModule> llama_modules(bool tied = false) {
  ModelSource source;
  source.config = *Json::parse(R"({"architectures": ["LlamaForCausalLM"], "vocab_size": 10, "hidden_size": 8,
      "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1})");
  source.config["tie_word_embeddings"] = tied;
  const Architecture& llama = all_architectures().front();
  return target_modules(llama, *llama.config_from_hf(source));
}

std::vector<std::string> names_of(const std::vector<TargetModule>& modules) {
  std::vector<std::string> names;
  for (const TargetModule& module : modules) names.push_back(module.name);
  return names;
}

std::vector<std::string> matched(const AdapterConfig& config) {
  const auto matcher = TargetMatcher::make(config);
  EXPECT_TRUE(matcher.has_value());
  if (!matcher) return {};
  const auto found = matched_modules(*matcher, llama_modules());
  return found ? names_of(*found) : std::vector<std::string>{};
}

AdapterConfig by_names(std::vector<std::string> names) {
  AdapterConfig config;
  config.target_modules.names = std::move(names);
  return config;
}
AdapterConfig by_pattern(std::string pattern) {
  AdapterConfig config;
  config.target_modules.pattern = std::move(pattern);
  return config;
}

using Names = std::vector<std::string>;

TEST(AdapterTargets, ModulesAreThoseOfTheForwardPassAndATiedHead) {
  EXPECT_EQ(llama_modules().size(), 1 + 2 * 7 + 1);
  EXPECT_EQ(llama_modules().front().name, "model.embed_tokens");
  EXPECT_EQ(llama_modules().back().name, "lm_head");
  EXPECT_EQ(llama_modules(true).back().name, "lm_head");
  EXPECT_EQ(llama_modules(true).back().shape, (Shape{10, 8}));
}

TEST(AdapterTargets, AListMatchesBehindADot) {
  EXPECT_EQ(matched(by_names({"q_proj"})), (Names{"model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj"}));
  EXPECT_EQ(matched(by_names({"proj"})), Names{}) << "not a part of a name";
  EXPECT_EQ(matched(by_names({"lm_head"})), Names{"lm_head"});
  EXPECT_EQ(matched(by_names({"layers.1.mlp.up_proj"})), Names{"model.layers.1.mlp.up_proj"});
}

TEST(AdapterTargets, ARegularExpressionMatchesTheWholeName) {
  EXPECT_EQ(matched(by_pattern("q_proj")), Names{});
  EXPECT_EQ(matched(by_pattern(R"(.*\.0\.self_attn\.(q|o)_proj)")),
            (Names{"model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.o_proj"}));
  EXPECT_EQ(matched(by_pattern("lm_head|nothing")), Names{"lm_head"});
}

TEST(AdapterTargets, AllLinearLeavesOutTheTables) {
  EXPECT_EQ(matched(by_pattern("all-linear")).size(), 14u);
  EXPECT_EQ(matched(by_pattern("All-Linear")).size(), 14u);
}

TEST(AdapterTargets, LayersCountForListsAndNotForFullNames) {
  AdapterConfig config = by_names({"q_proj"});
  config.layers_to_transform = {1};
  EXPECT_EQ(matched(config), Names{"model.layers.1.self_attn.q_proj"});
  config.layers_pattern = {"layers"};
  EXPECT_EQ(matched(config), Names{"model.layers.1.self_attn.q_proj"});
  config.layers_pattern = {"h"};
  EXPECT_EQ(matched(config), Names{});
  config = by_names({"model.layers.0.self_attn.q_proj", "lm_head"});
  config.layers_to_transform = {1};
  EXPECT_EQ(matched(config), (Names{"model.layers.0.self_attn.q_proj", "lm_head"}));
}

TEST(AdapterTargets, ExcludedAndSavedModulesAreNotAdapted) {
  AdapterConfig config = by_names({"q_proj", "lm_head"});
  config.exclude_modules.names = {"layers.0.self_attn.q_proj"};
  EXPECT_EQ(matched(config), (Names{"model.layers.1.self_attn.q_proj", "lm_head"}));
  config.modules_to_save = {"lm_head"};
  EXPECT_EQ(matched(config), Names{"model.layers.1.self_attn.q_proj"});
  config.exclude_modules = {.names = {}, .pattern = R"(.*\.1\..*)"};
  EXPECT_EQ(matched(config), Names{"model.layers.0.self_attn.q_proj"});
}

TEST(AdapterTargets, SavedModulesMatchAnyEndOfAName) {
  AdapterConfig config = by_names({"q_proj"});
  config.modules_to_save = {"norm"};
  const auto matcher = TargetMatcher::make(config);
  VB_ASSERT_OK(matcher);
  EXPECT_TRUE(matcher->is_saved("model.norm"));
  EXPECT_TRUE(matcher->is_saved("model.layers.0.input_layernorm"));
  EXPECT_TRUE(matcher->is_saved("model.norm.inner")) << "what a saved module holds";
  EXPECT_FALSE(matcher->is_saved("model.layers.0.mlp"));
}

TEST(AdapterTargets, RankAndAlphaFollowThePatternsAtTheEndOfAName) {
  AdapterConfig config = by_names({"q_proj"});
  config.rank_pattern = {{"q_proj", 2}, {"layers.1.mlp.down_proj", 6}};
  config.alpha_pattern = {{".*_proj", 3.0}};
  const auto matcher = TargetMatcher::make(config);
  VB_ASSERT_OK(matcher);
  EXPECT_EQ(matcher->rank("model.layers.0.self_attn.q_proj").value(), 2);
  EXPECT_EQ(matcher->rank("model.layers.1.mlp.down_proj").value(), 6);
  EXPECT_EQ(matcher->rank("model.layers.11.mlp.down_proj").value(), 8);
  EXPECT_EQ(matcher->alpha("model.layers.0.self_attn.q_proj").value(), 3.0);
  EXPECT_EQ(matcher->alpha("lm_head").value(), 8.0);
}

TEST(AdapterTargets, TwoPatternsThatDisagreeAreRefused) {
  AdapterConfig config = by_names({"q_proj"});
  config.rank_pattern = {{"q_proj", 2}, {"self_attn.q_proj", 4}};
  const auto matcher = TargetMatcher::make(config);
  VB_ASSERT_OK(matcher);
  EXPECT_EQ(matcher->rank("model.layers.0.self_attn.q_proj").error().code, ErrorCode::unsupported);
}

TEST(AdapterTargets, NoMatchListsWhatTheModulesAreCalled) {
  const auto matcher = TargetMatcher::make(by_names({"c_attn"}));
  VB_ASSERT_OK(matcher);
  const auto none = matched_modules(*matcher, llama_modules());
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::invalid_input);
  EXPECT_NE(describe(none.error()).find("q_proj, k_proj"), std::string::npos) << describe(none.error());
}

TEST(AdapterTargets, BadRegularExpressionsAreNamed) {
  EXPECT_FALSE(TargetMatcher::make(by_pattern("((")).has_value());
  AdapterConfig config = by_names({"q_proj"});
  config.rank_pattern = {{"(", 2}};
  const auto made = TargetMatcher::make(config);
  ASSERT_FALSE(made.has_value());
  EXPECT_NE(describe(made.error()).find("rank_pattern"), std::string::npos);
}

}  // namespace
}  // namespace vauban
