#include "trace/intervention_recorder.h"

#include <gtest/gtest.h>

#include "base/result.h"

namespace vauban {
namespace {

Intervention ablation(PrimitiveMode mode = PrimitiveMode::subtract) {
  Intervention made;
  made.name = "ablate";
  made.layers = {1, 2};
  made.primitive.mode = mode;
  made.primitive.direction = {0, 1, 0};
  made.primitive.norms_before = {2};
  made.direction_digest = std::string(64, 'd');
  return made;
}

InterventionRecorder::Where where() { return {3, "f32", "cpu:0", Json::object({{"numerics", "exact"}})}; }

TEST(InterventionRecorder, RecordsTheMeasuredEffect) {
  const Intervention edit = ablation();
  InterventionRecorder recorder(edit, 0);
  const std::vector<double> before{2, -4}, after{0, 0}, delta{2, 4}, one{1}, zero{0};
  recorder.add({1, before, after, delta, 0});
  recorder.add({2, one, zero, one, 0});
  recorder.add({1, one, zero, one, 0});
  const TraceArtifact artifact = recorder.finish(where());
  EXPECT_EQ(artifact.artifact_id, "intervention.0");
  EXPECT_EQ(artifact.kind, ArtifactKind::intervention_result);
  EXPECT_EQ(artifact.fire_count, 3);
  EXPECT_EQ(artifact.shape, (std::vector<std::int64_t>{4, 1}));
  EXPECT_FALSE(artifact.layer);
  const Json& metadata = artifact.metadata;
  EXPECT_EQ(metadata.find("mode")->as_string(), "subtract");
  EXPECT_EQ(metadata.find("projection_summary")->dump().value(), R"({"max":2.0,"mean":0.0,"min":-4.0})");
  EXPECT_EQ(metadata.find("delta_summary")->dump().value(), R"({"max":4.0,"mean":2.0,"min":1.0})");
  EXPECT_EQ(metadata.find("direction_shape")->dump().value(), "[3]");
  EXPECT_TRUE(metadata.find("intervened")->as_bool());
  EXPECT_FALSE(metadata.find("no_op")->as_bool());
  EXPECT_EQ(metadata.find("numerics")->as_string(), "exact");
  const Json::Array& layers = artifact.summary.find("layers")->items();
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].find("rows")->as_int(), 3);
  EXPECT_EQ(layers[1].find("projection_after")->dump().value(), R"({"max":0.0,"mean":0.0,"min":0.0})");
}

TEST(InterventionRecorder, SaysWhenAnEditChangedNothing) {
  const std::vector<double> zero{0}, one{1};
  const Intervention edit = ablation();
  InterventionRecorder silent(edit, 3);
  silent.add({1, one, one, one, 0});
  silent.add({2, zero, zero, zero, 0});
  const TraceArtifact artifact = silent.finish(where());
  EXPECT_TRUE(artifact.metadata.find("no_op")->as_bool());
  EXPECT_FALSE(artifact.summary.find("layers")->items()[0].find("no_op")->as_bool());
  EXPECT_TRUE(artifact.summary.find("layers")->items()[1].find("no_op")->as_bool());

  const Intervention observation = ablation(PrimitiveMode::project);  // is not meant to change anything
  InterventionRecorder projecting(observation, 0);
  projecting.add({1, one, one, zero, 0});
  const TraceArtifact projected = projecting.finish(where());
  EXPECT_FALSE(projected.metadata.find("no_op")->as_bool());
  EXPECT_FALSE(projected.metadata.find("intervened")->as_bool());
  EXPECT_EQ(projected.layer, 1);
}

TEST(InterventionRecorder, AnEditThatNeverRanIsMissing) {
  const Intervention edit = ablation();
  InterventionRecorder recorder(edit, 0);
  recorder.add({1, {}, {}, {}, 0});
  EXPECT_FALSE(recorder.acted());
  EXPECT_EQ(recorder.missing().kind, ArtifactKind::intervention_result);
  EXPECT_NE(recorder.missing().reason.find("ablate"), std::string::npos);
}

TEST(InterventionRecorder, TheDigestFollowsTheCoefficients) {
  const Intervention edit = ablation();
  std::vector<double> after{0.5};
  std::vector<std::string> digests;
  for (int run = 0; run < 2; ++run) {
    InterventionRecorder recorder(edit, 0);
    recorder.add({1, after, after, after, 0});
    digests.push_back(recorder.finish(where()).digest);
    after[0] = 0.25;
  }
  EXPECT_NE(digests[0], digests[1]);
}

}  // namespace
}  // namespace vauban
