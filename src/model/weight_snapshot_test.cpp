#include "model/weight_snapshot.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/sha256.h"
#include "support/test_data.h"

namespace vauban {
namespace {

TEST(WeightSnapshots, AGlobMatchesNamesAsAShellWould) {
  EXPECT_TRUE(matches_glob("model.norm.weight", "model.norm.weight"));
  EXPECT_TRUE(matches_glob("model.layers.*.mlp.down_proj.weight", "model.layers.11.mlp.down_proj.weight"));
  EXPECT_TRUE(matches_glob("*", "anything"));
  EXPECT_TRUE(matches_glob("*", ""));
  EXPECT_TRUE(matches_glob("a*b*c", "a-b-b-c"));
  EXPECT_TRUE(matches_glob("layer.?.w", "layer.3.w"));
  EXPECT_FALSE(matches_glob("layer.?.w", "layer.13.w"));
  EXPECT_FALSE(matches_glob("model.layers.*.mlp", "model.layers.1.mlp.up_proj.weight"));
  EXPECT_FALSE(matches_glob("", "a"));
  EXPECT_FALSE(matches_glob("a*b", "a-c"));
}

TEST(WeightSnapshots, ASummaryIsThatOfTheValues) {
  const std::vector<float> values{3, -4, 0, 12};
  const Weight weight{.name = "w", .dtype = DType::bf16, .shape = {2, 2}, .tensor = host_tensor({2, 2}, values)};
  const WeightSnapshot snapshot = snapshot_of(weight, values);
  EXPECT_EQ(snapshot.digest, sha256_hex(std::as_bytes(std::span(values))));
  EXPECT_EQ(snapshot.stored, DType::bf16);
  EXPECT_EQ(snapshot.summary.find("count")->as_int(), 4);
  EXPECT_DOUBLE_EQ(snapshot.summary.find("mean")->as_double(), 2.75);
  EXPECT_DOUBLE_EQ(snapshot.summary.find("l2_norm")->as_double(), 13);
  EXPECT_DOUBLE_EQ(snapshot.summary.find("row_norm_max")->as_double(), 12);
}

TEST(WeightSnapshots, ValuesThatAreNotFiniteAreCountedAndLeftOutOfTheNorm) {
  const std::vector<float> values{3, std::nanf(""), 4, INFINITY};
  const Weight weight{.name = "w", .shape = {4}, .tensor = host_tensor({4}, values)};
  const WeightSnapshot snapshot = snapshot_of(weight, values);
  EXPECT_EQ(snapshot.summary.find("nan_count")->as_int(), 1);
  EXPECT_EQ(snapshot.summary.find("inf_count")->as_int(), 1);
  EXPECT_DOUBLE_EQ(snapshot.summary.find("l2_norm")->as_double(), 5);
}

TEST(WeightSnapshots, ATypeWithoutADecoderIsRefusedAndNotAnAbort) {
  const Tensor bytes = make_host_tensor(DType::f8_e8m0, {4});
  const Weight weight{.name = "w", .dtype = DType::f8_e8m0, .shape = {4}, .tensor = bytes};
  const auto read = read_weight(weight);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::unsupported);
}

TEST(WeightSnapshots, AnUnknownNameIsAnsweredWithTheNearest) {
  const std::vector<std::string> names{"model.norm.weight", "model.layers.0.mlp.up_proj.weight"};
  const std::string near = describe(no_such_tensor("model.layers.0.mlp.up_prj.weight", names));
  EXPECT_NE(near.find("did you mean 'model.layers.0.mlp.up_proj.weight'"), std::string::npos) << near;
  EXPECT_NE(describe(no_such_tensor("h.*.attn", names)).find("weights:*:summary"), std::string::npos);
}

}  // namespace
}  // namespace vauban
