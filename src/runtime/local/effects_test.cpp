#include "runtime/local/effects.h"

#include <gtest/gtest.h>

#include <limits>
#include <span>

#include "base/sha256.h"
#include "support/test_data.h"

namespace vauban {
namespace {

constexpr std::int64_t kWidth = 4;

ModelConfig config() {
  ModelConfig out;
  out.width = kWidth;
  out.layers = 3;
  return out;
}

Capability able() {
  Capability out;
  out.interventions = {SupportLevel::full, ""};
  return out;
}

Intervention edit(PrimitiveMode mode = PrimitiveMode::subtract) {
  Intervention out;
  out.name = "steer";
  out.layers = {0, 2};
  out.positions = *positions_from("1-3");
  out.primitive.mode = mode;
  out.primitive.direction = {0, 3, 4, 0};
  out.primitive.alpha = 0.5;
  out.direction_digest = std::string(64, 'd');
  return out;
}

PrimitiveResult measured(std::vector<double> before, std::vector<double> after, std::vector<double> delta) {
  return {.output = {},
          .before = std::move(before),
          .after = std::move(after),
          .delta_norm = std::move(delta),
          .input_norm = {10, 10},
          .gates_open = 0};
}

Json record_of(const InterventionEffect& effect) { return effect.artifact(0, "f32", {"cpu", "cpu:0"}).metadata; }

double number(const Json& object, std::string_view summary, std::string_view key) {
  return object.find(summary)->find(key)->as_double();
}

TEST(InterventionEffect, RefusesAnEditThatMakesARowTooLongByItsName) {
  auto made = InterventionEffect::make(edit(PrimitiveMode::add), config(), able());
  VB_ASSERT_OK(made);
  const std::vector<std::int64_t> positions{1, 2};
  VB_EXPECT_OK(made->add(2, 2, measured({1, 1}, {1, 1}, {1e18, 1}), positions));
  for (const double delta : {1.9e19, 1e300, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    const auto refused = made->add(2, 2, measured({1, 1}, {1, 1}, {1, delta}), positions);
    ASSERT_FALSE(refused) << delta;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_input);
    for (const char* word : {"'steer'", "resid_post", "layer 2", "position 2", "alpha 0.5"})
      EXPECT_NE(refused.error().message.find(word), std::string::npos) << refused.error().message;
  }
  PrimitiveResult foreign = measured({1, 1}, {1, 1}, {1, 1});
  foreign.input_norm = {1e30, 1e30};
  VB_EXPECT_OK(made->add(2, 2, foreign, positions));
}

TEST(InterventionEffect, RefusesALayerTwiceAndALayerOfASiteThatIsThereOnce) {
  Intervention twice = edit();
  twice.layers = {2, 0, 2};
  auto made = InterventionEffect::make(twice, config(), able());
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("layer 2 is given twice"), std::string::npos) << made.error().message;
  Intervention once = edit();
  once.site = Site::embed_out;
  made = InterventionEffect::make(once, config(), able());
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("'embed_out' is there once"), std::string::npos) << made.error().message;
  once.layers.clear();
  VB_EXPECT_OK(InterventionEffect::make(once, config(), able()));
}

/// What trace-contract 7.3 and 7.4 ask for, by the names of docs/trace-format.md.
TEST(InterventionEffect, RecordsEveryFieldOfTheContract) {
  auto made = InterventionEffect::make(edit(), config(), able());
  VB_ASSERT_OK(made);
  const std::vector<std::int64_t> positions{1, 2};
  VB_ASSERT_OK(made->add(0, 2, measured({2, 4}, {1, 2}, {1, 2}), positions));
  VB_ASSERT_OK(made->add(2, 2, measured({-6, 8}, {-3, 4}, {3, 4}), positions));
  const Json record = record_of(*made);
  for (const char* key :
       {"primitive", "name", "layer_index", "mode", "alpha", "activation_shape", "direction_shape", "projection_shape",
        "projection_summary", "intervened", "device", "dtype", "site", "position_policy", "rows_touched",
        "gate_open_count", "direction_digest", "norm_before", "delta_summary", "projection_summary_before",
        "projection_summary_after", "no_op", "position_runs"})
    EXPECT_NE(record.find(key), nullptr) << key;
  EXPECT_EQ(record.find("primitive")->as_string(), "activation_projection");
  EXPECT_EQ(record.find("position_policy")->as_string(), "1-3");
  EXPECT_EQ(record.find("rows_touched")->as_int(), 4);
  EXPECT_EQ(*record.find("position_runs")->dump(), "[[1,2]]");
  EXPECT_EQ(record.find("norm_before")->items().front().as_double(), 5.0);
  EXPECT_EQ(number(record, "projection_summary", "mean"), 2.0);
  EXPECT_EQ(number(record, "projection_summary", "min"), -6.0);
  EXPECT_EQ(number(record, "projection_summary_after", "max"), 4.0);
  EXPECT_EQ(number(record, "delta_summary", "mean"), 2.5);
  EXPECT_EQ(number(record, "delta_summary", "max"), 4.0);
  EXPECT_TRUE(record.find("intervened")->as_bool());
  EXPECT_FALSE(record.find("no_op")->as_bool());
}

TEST(InterventionEffect, OneUnchangedLayerIsANoOpThoughAnotherChanged) {
  auto made = InterventionEffect::make(edit(), config(), able());
  VB_ASSERT_OK(made);
  const std::vector<std::int64_t> positions{1, 2};
  VB_ASSERT_OK(made->add(0, 2, measured({0, 0}, {0, 0}, {0, 0}), positions));
  VB_ASSERT_OK(made->add(2, 2, measured({2, 0}, {1, 0}, {1, 0}), positions));
  const Json record = record_of(*made);
  EXPECT_TRUE(record.find("no_op")->as_bool());
  EXPECT_TRUE(record.find("intervened")->as_bool());
  EXPECT_EQ(record.find("unchanged_rows")->as_int(), 3);
  EXPECT_TRUE(record.find("layers")->items()[0].find("no_op")->as_bool());
  EXPECT_FALSE(record.find("layers")->items()[1].find("no_op")->as_bool());
  ASSERT_EQ(made->no_ops().size(), 1u);
  EXPECT_EQ(made->no_ops()[0].layer, 0);
}

TEST(InterventionEffect, AProjectionBehindAGateIsNoEdit) {
  Intervention gated = edit(PrimitiveMode::conditional);
  gated.primitive.inner = PrimitiveMode::project;
  gated.primitive.gate = {1, 0, 0, 0};
  const auto made = InterventionEffect::make(gated, config(), able());
  VB_ASSERT_OK(made);
  EXPECT_FALSE(made->edits());
  EXPECT_TRUE(made->no_ops().empty());
  EXPECT_FALSE(record_of(*made).find("no_op")->as_bool());
}

/// Whoever repeats an edit needs the gate and the bounds too, and which directions really acted.
TEST(InterventionEffect, AConditionalRecordsItsGateItsInnerEditAndTheGatesThatOpened) {
  Intervention gated = edit(PrimitiveMode::conditional);
  gated.primitive.inner = PrimitiveMode::clamp;
  gated.primitive.lo = -1;
  gated.primitive.hi = 2;
  gated.primitive.tau = 0.25;
  gated.primitive.gate = {1, 0, 0, 0};
  auto made = InterventionEffect::make(gated, config(), able());
  VB_ASSERT_OK(made);
  PrimitiveResult opened = measured({2, 4}, {2, 2}, {0, 2});
  opened.gates_open = 1;
  opened.input_norm = {10, 10};
  const std::vector<std::int64_t> positions{1, 2};
  VB_ASSERT_OK(made->add(0, 2, opened, positions));
  VB_ASSERT_OK(made->add(2, 2, opened, positions));
  const Json record = record_of(*made);
  const auto sha256 = [](const std::vector<double>& values) { return sha256_hex(std::as_bytes(std::span(values))); };
  for (const char* key : {"inner_mode", "tau", "lo", "hi", "gate_values_sha256", "direction_values_sha256"})
    ASSERT_NE(record.find(key), nullptr) << key;
  EXPECT_EQ(record.find("inner_mode")->as_string(), "clamp");
  EXPECT_EQ(record.find("tau")->as_double(), 0.25);
  EXPECT_EQ(record.find("lo")->as_double(), -1.0);
  EXPECT_EQ(record.find("hi")->as_double(), 2.0);
  EXPECT_EQ(record.find("gate_values_sha256")->as_string(), sha256({1, 0, 0, 0}));
  EXPECT_EQ(record.find("direction_values_sha256")->as_string(), sha256(made->primitive().direction));
  EXPECT_EQ(record.find("gate_open_count")->as_int(), 2);
  EXPECT_EQ(record.find("layers")->items()[1].find("gate_open_count")->as_int(), 1);
}

TEST(InterventionEffect, ASiteThatTheRuntimeCannotReachIsRefusedWithItsReason) {
  Capability capability = able();
  capability.site_limits[edit().site] = {SupportLevel::unsupported, "hidden in a fused kernel"};
  const auto made = InterventionEffect::make(edit(), config(), capability);
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code, ErrorCode::unsupported);
  EXPECT_NE(made.error().message.find("hidden in a fused kernel"), std::string::npos) << made.error().message;
}

TEST(InterventionEffect, AnEditThatMetNoRowHasNoFigures) {
  const auto made = InterventionEffect::make(edit(), config(), able());
  VB_ASSERT_OK(made);
  const Json record = record_of(*made);
  EXPECT_TRUE(record.find("projection_summary")->find("mean")->is_null());
  EXPECT_TRUE(record.find("no_op")->as_bool());
  EXPECT_EQ(made->no_ops().size(), 2u);
}

}  // namespace
}  // namespace vauban
