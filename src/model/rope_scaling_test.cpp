#include "model/rope_scaling.h"

#include <cmath>
#include <gtest/gtest.h>
#include <numbers>

#include "support/test_data.h"

namespace vauban {
namespace {

Result<RopeConfig> read(std::string_view json, std::int64_t head_dim = 8) {
  static Json config;
  config = Json::parse(json).value_or(Json());
  return rope_from_hf(ConfigKeys(config, "config.json"), head_dim, 64, {.share = nullptr});
}

TEST(RopeScaling, PlainFrequenciesFallGeometrically) {
  const auto rope = read(R"({"rope_theta": 16.0})");
  VB_ASSERT_OK(rope);
  EXPECT_EQ(rope->rope.table.inverse_frequency, (std::vector<double>{1.0, 0.5, 0.25, 0.125}));
  EXPECT_EQ(rope->rope.table.layout, RopeLayout::half);
}

TEST(RopeScaling, ThetaDefaultsAsInTransformers) {
  const auto rope = read("{}");
  VB_ASSERT_OK(rope);
  EXPECT_EQ(rope->theta, 10000.0);
}

TEST(RopeScaling, NewAndOldStyleMeanTheSame) {
  const auto old_style = read(R"({"rope_theta": 500, "rope_scaling": {"type": "linear", "factor": 4}})");
  const auto new_style = read(R"({"rope_parameters": {"rope_theta": 500, "rope_type": "linear", "factor": 4}})");
  VB_ASSERT_OK(old_style);
  VB_ASSERT_OK(new_style);
  EXPECT_EQ(old_style->rope.table.inverse_frequency, new_style->rope.table.inverse_frequency);
  EXPECT_EQ(old_style->rope.table.inverse_frequency[0], 0.25);
}

TEST(RopeScaling, Llama3KeepsShortWavelengthsAndDividesLongOnes) {
  const double original = 8192, low = 1, high = 4;
  const auto frequency_of = [](double wavelength) { return 2 * std::numbers::pi / wavelength; };
  std::vector<double> f = {frequency_of(original / high * 0.9), frequency_of(original / low * 1.1),
                           frequency_of(original / 2.5)};
  const std::vector<double> before = f;
  scale_llama3(f, {.factor = 8, .low_frequency = low, .high_frequency = high, .original_context = original});
  EXPECT_EQ(f[0], before[0]);
  EXPECT_DOUBLE_EQ(f[1], before[1] / 8);
  EXPECT_NEAR(f[2], before[2] * (0.5 / 8 + 0.5), 1e-12);  // halfway between 1 and 4 turns
}

TEST(RopeScaling, UnknownTypesAreRefusedByName) {
  for (const char* json :
       {R"({"rope_scaling": {"type": "spiral", "factor": 4}})", R"({"rope_parameters": {"rope_type": "spiral"}})"}) {
    const auto refused = read(json);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
    EXPECT_NE(refused.error().message.find("'spiral'"), std::string::npos);
  }
}

TEST(RopeScaling, ScalingWithoutATypeIsRefusedAndNotTakenForPlain) {
  for (const char* json : {R"({"rope_scaling": {"factor": 8, "original_max_position_embeddings": 64}})",
                           R"({"rope_scaling": {"rope_type": null, "factor": 8}})",
                           R"({"rope_scaling": {"type": null, "short_factor": [1, 1, 1, 1], "long_factor": [2, 2, 2, 2]}})",
                           R"({"rope_parameters": {"rope_theta": 500, "low_freq_factor": 1, "high_freq_factor": 4}})",
                           R"({"rope_parameters": {"rope_theta": 500, "beta_fast": 32}})"}) {
    const auto refused = read(json);
    ASSERT_FALSE(refused.has_value()) << json;
    EXPECT_NE(refused.error().message.find("rope_type"), std::string::npos) << describe(refused.error());
  }
  VB_EXPECT_OK(read(R"({"rope_parameters": {"rope_theta": 500}})"));
  VB_EXPECT_OK(read(R"({"rope_parameters": {"rope_theta": 500, "rope_type": "default", "factor": 8}})"));
}

TEST(RopeScaling, MissingOrUnfitValuesAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"rope_scaling": {"type": "linear"}})", "factor"},
      {R"({"rope_scaling": {"type": "linear", "factor": 0}})", "factor"},
      {R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}})",
       "original_max_position_embeddings"},
      {R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4,
           "original_max_position_embeddings": 8192}})",
       "high_freq_factor"},
      {R"({"rope_scaling": "linear"})", "rope_scaling"},
      {R"({"rope_scaling": {"type": 3}})", "type"},
      {R"({"rope_theta": "big"})", "rope_theta"},
      {R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor"},
      {R"({"rope_scaling": {"type": "default"}, "rope_parameters": {"rope_type": "linear", "factor": 2}})", "disagree"},
  };
  for (const auto& [json, named] : cases) {
    const auto refused = read(json);
    ASSERT_FALSE(refused.has_value()) << json;
    EXPECT_NE(refused.error().message.find(named), std::string::npos) << describe(refused.error());
  }
}

}  // namespace
}  // namespace vauban
