#include "runtime/local/projections.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

TEST(PositionRuns, JoinNeighboursAcrossPasses) {
  PositionRuns runs;
  EXPECT_TRUE(runs.empty());
  const std::vector<std::int64_t> prompt{0, 1, 2, 5}, step{6}, later{9};
  runs.add(prompt);
  runs.add(step);
  runs.add(later);
  EXPECT_EQ(*runs.to_json().dump(), "[[0,2],[5,6],[9,9]]");
}

TEST(ProjectionArtifacts, AreNamedByPlaceAndHoldTheRowsInOrder) {
  ProjectionRows rows;
  rows.add({.output = {}, .before = {1, 2}, .after = {0, 0}, .delta_norm = {}, .input_norm = {2}});
  rows.add({.output = {}, .before = {3, 4}, .after = {0, 0.5}, .delta_norm = {}, .input_norm = {3}});
  TraceArtifact frame;
  frame.site = Site::mlp_out;
  frame.layer = 7;
  frame.metadata = Json::object({{"name", "n"}});
  const Json details = Json::object({{"mode", "subspace_remove"}});
  const auto made = projection_artifacts(rows, 2, true, frame, details);
  ASSERT_EQ(made.size(), 3u);
  EXPECT_EQ(made[0].artifact.artifact_id, "activation_projection.mlp_out.layer_7");
  EXPECT_EQ(made[0].values, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(made[0].artifact.shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(made[0].artifact.metadata.find("mode")->as_string(), "subspace_remove");
  EXPECT_EQ(made[0].artifact.metadata.find("moment")->as_string(), "before");
  EXPECT_EQ(made[1].artifact.artifact_id, "activation_projection.mlp_out.layer_7.after");
  EXPECT_EQ(made[1].values, (std::vector<float>{0, 0, 0, 0.5F}));
  EXPECT_EQ(made[1].artifact.metadata.find("moment")->as_string(), "after");
  EXPECT_EQ(made[2].artifact.artifact_id, "activation_norm.mlp_out.layer_7");
  EXPECT_EQ(made[2].values, (std::vector<float>{2, 3}));
  EXPECT_EQ(made[2].artifact.summary.find("max")->as_double(), 3);
  EXPECT_EQ(projection_artifacts(rows, 2, false, frame, details).size(), 2u) << "nothing was edited: there is no after";
}

class FullDisk final : public PayloadSink {
  Result<StoredPayload> put(std::string_view, std::string_view, std::span<const std::int64_t>,
                            std::span<const std::byte>) override {
    return resource("the disk is full");
  }
};

TEST(ProjectionArtifacts, AFaultOfTheStoreNamesTheArtifact) {
  ProjectionArtifact projection{.artifact = {.artifact_id = "activation_norm.layer_0", .dtype = "f32"}, .values = {1}};
  projection.artifact.shape = std::vector<std::int64_t>{1};
  FullDisk disk;
  const auto stored = store_projection(projection, disk);
  ASSERT_FALSE(stored);
  EXPECT_EQ(stored.error().code, ErrorCode::resource);
  EXPECT_NE(describe(stored.error()).find("activation_norm.layer_0"), std::string::npos);
}

}  // namespace
}  // namespace vauban
