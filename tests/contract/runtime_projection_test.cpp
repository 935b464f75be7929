// Projection artifacts: the coefficients of every row that an intervention met, as values that can be checked against
// the activations of the same run.

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

#include "base/result.h"
#include "base/sha256.h"
#include "local_session.h"
#include "runtime/replay/replay_runtime.h"
#include "support/backends_here.h"
#include "support/test_data.h"
#include "support/tiny_model.h"

namespace vauban {
namespace {

using test::LocalSession;
using test::MemorySink;
constexpr std::size_t kWidth = 64;
constexpr int kNewTokens = 5;
const std::vector<std::int32_t> kPrompt{1, 72, 104, 260, 270, 280};

std::vector<double> direction(int seed, std::size_t width = kWidth) {
  std::vector<double> out;
  for (std::size_t i = 0; i < width; ++i) out.push_back(std::sin(1.7 * static_cast<double>(i) + seed) + 0.3);
  return out;
}

Intervention edit(PrimitiveMode mode, std::vector<int> layers = {0}, int seed = 0) {
  Intervention out;
  out.name = format("edit{}", seed);
  out.layers = std::move(layers);
  out.primitive.mode = mode;
  out.primitive.direction = direction(seed);
  out.direction_digest = std::string(64, 'd');
  return out;
}

Want projections(Form form = Form::payload) { return {.kind = ArtifactKind::metric, .form = form}; }

TraceRequest request_with(std::vector<Intervention> interventions, std::vector<Want> want = {projections()}) {
  TraceRequest request;
  request.trace_id = "t";
  request.prompt_ids = kPrompt;
  request.sampling.max_tokens = kNewTokens;
  request.sampling.ignore_eos = true;
  request.interventions = std::move(interventions);
  request.want = std::move(want);
  request.metadata = Json::object({{"prompt_id", "kettle"}});
  return request;
}

const MemorySink::Payload* payload_named(const MemorySink& sink, std::string_view name) {
  for (const MemorySink::Payload& payload : sink.payloads)
    if (payload.name == name) return &payload;
  return nullptr;
}

class RuntimeProjection : public testing::TestWithParam<test::Place> {
 protected:
  void SetUp() override {
    VB_ASSERT_OK(test::write_tiny_model(folder_.path()));
    auto session = LocalSession::open(folder_.path(), GetParam());
    VB_ASSERT_OK(session);
    session_ = *std::move(session);
  }
  Trace trace_of(const TraceRequest& request, PayloadSink* sink = nullptr) {
    Result<Trace> trace = session_->runtime().trace(request, sink);
    if (trace) return *std::move(trace);
    ADD_FAILURE() << describe(trace.error());
    return *Trace::make(TraceParts{.trace_id = "failed", .device = {"cpu", "cpu:0"}});
  }

  test::TempDir folder_;
  std::unique_ptr<LocalSession> session_;
};
INSTANTIATE_TEST_SUITE_P(Backends, RuntimeProjection, testing::ValuesIn(test::places_here()),
                         [](const auto& tested) { return tested.param.name(); });

/// The activations of the same run, recorded before and after the edit, say what every coefficient must be.
TEST_P(RuntimeProjection, TheCoefficientsAreThoseOfTheRecordedActivations) {
  for (const PrimitiveMode mode : {PrimitiveMode::project, PrimitiveMode::subtract}) {
    Want before{.kind = ArtifactKind::activation, .layers = {1}, .form = Form::payload, .moment = Moment::before};
    Want after = before;
    after.moment = Moment::after;
    MemorySink sink;
    const Trace trace = trace_of(request_with({edit(mode, {1})}, {before, after, projections()}), &sink);
    std::vector<const MemorySink::Payload*> seen;
    for (const MemorySink::Payload& payload : sink.payloads)
      if (payload.name == "resid_post.1") seen.push_back(&payload);
    ASSERT_EQ(seen.size(), 2u);
    const auto* projected = payload_named(sink, "activation_projection.layer_1");
    const auto* projected_after = payload_named(sink, "activation_projection.layer_1.after");
    const auto* norms = payload_named(sink, "activation_norm.layer_1");
    ASSERT_TRUE(projected && norms);
    EXPECT_EQ(projected_after != nullptr, mode == PrimitiveMode::subtract) << "only an edit has an after";
    const auto rows = static_cast<std::int64_t>(kPrompt.size()) + kNewTokens - 1;
    EXPECT_EQ(projected->shape, (std::vector<std::int64_t>{rows, 1}));
    EXPECT_EQ(norms->shape, (std::vector<std::int64_t>{rows}));
    std::vector<double> unit = direction(0);
    double length = 0;
    for (const double value : unit) length += value * value;
    for (double& value : unit) value /= std::sqrt(length);
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      double p = 0, q = 0, squares = 0;
      for (std::size_t i = 0; i < kWidth; ++i) {
        const double h = seen[0]->values[row * kWidth + i];
        p += h * unit[i];
        q += static_cast<double>(seen[1]->values[row * kWidth + i]) * unit[i];
        squares += h * h;
      }
      const double tolerance = 1e-5 * std::sqrt(squares);  // f32 values of 64 terms
      EXPECT_NEAR(projected->values[row], p, tolerance) << row;
      EXPECT_NEAR(norms->values[row], std::sqrt(squares), tolerance) << row;
      if (projected_after) {
        EXPECT_NEAR(projected_after->values[row], q, tolerance) << row;
      }
    }
  }
}

TEST_P(RuntimeProjection, TheArtifactNamesPromptPositionsAndEverythingOfTheContract) {
  Intervention some = edit(PrimitiveMode::subtract);
  some.positions = *positions_from("1,2,4,7");
  const Trace trace = trace_of(request_with({some}));
  const TraceArtifact* artifact = trace.find("activation_projection.layer_0");
  ASSERT_NE(artifact, nullptr);
  EXPECT_EQ(artifact->kind, ArtifactKind::metric);
  EXPECT_EQ(artifact->site, Site::resid_post);
  EXPECT_EQ(artifact->layer, 0);
  EXPECT_EQ(artifact->positions, "1,2,4,7");
  EXPECT_EQ(artifact->dtype, "f32");
  EXPECT_EQ(artifact->shape, (std::vector<std::int64_t>{4, 1}));
  EXPECT_EQ(artifact->summary.find("count")->as_int(), 4);
  for (const char* key : {"primitive",
                          "name",
                          "layer_index",
                          "mode",
                          "alpha",
                          "activation_shape",
                          "direction_shape",
                          "projection_shape",
                          "projection_summary",
                          "intervened",
                          "device",
                          "dtype",
                          "site",
                          "position_policy",
                          "rows_touched",
                          "gate_open_count",
                          "direction_digest",
                          "norm_before",
                          "delta_summary",
                          "projection_summary_before",
                          "projection_summary_after",
                          "prompt_id",
                          "prompt_ids_sha256",
                          "position_runs",
                          "moment"})
    EXPECT_NE(artifact->metadata.find(key), nullptr) << key;
  EXPECT_EQ(artifact->metadata.find("prompt_id")->as_string(), "kettle");
  EXPECT_EQ(*artifact->metadata.find("position_runs")->dump(), "[[1,2],[4,4],[7,7]]");
  EXPECT_EQ(artifact->metadata.find("layer_index")->as_int(), 0);
  EXPECT_EQ(artifact->metadata.find("projection_summary")->find("count")->as_int(), 4);
  ASSERT_TRUE(artifact->producer_span_id);
  EXPECT_NE(artifact->producer_span_id->find("intervene"), std::string::npos);
  for (const char* id : {"activation_projection.layer_0.after", "activation_norm.layer_0", "intervention.0"}) {
    ASSERT_NE(trace.find(id), nullptr) << id;
    EXPECT_EQ(trace.find(id)->metadata.find("prompt_id")->as_string(), "kettle") << id;
    EXPECT_EQ(*trace.find(id)->metadata.find("position_runs")->dump(), "[[1,2],[4,4],[7,7]]") << id;
  }
}

TEST_P(RuntimeProjection, ASummaryHasTheDigestOfTheValuesThatAPayloadHolds) {
  MemorySink sink;
  const Trace kept = trace_of(request_with({edit(PrimitiveMode::project)}), &sink);
  const Trace brief = trace_of(request_with({edit(PrimitiveMode::project)}, {projections(Form::summary)}), &sink);
  const Trace unstored = trace_of(request_with({edit(PrimitiveMode::project)}));
  EXPECT_EQ(sink.payloads.size(), 2u) << "the summary stores nothing";
  const TraceArtifact &payload = *kept.find("activation_projection.layer_0"),
                      &summary = *brief.find("activation_projection.layer_0");
  EXPECT_EQ(payload.digest, sha256_hex(std::as_bytes(std::span(sink.payloads[0].values))));
  EXPECT_EQ(payload.digest, summary.digest);
  EXPECT_EQ(payload.summary, summary.summary);
  EXPECT_FALSE(payload.payload_path.empty());
  EXPECT_TRUE(summary.payload_path.empty());
  const TraceArtifact& lost = *unstored.find("activation_projection.layer_0");
  EXPECT_TRUE(lost.payload_path.empty());
  EXPECT_NE(lost.metadata.find("payload"), nullptr) << "says that there was no store";
}

TEST_P(RuntimeProjection, ASubspaceHasOneColumnPerRowOfItsBasis) {
  Intervention subspace = edit(PrimitiveMode::subspace_remove);
  for (const double value : direction(5)) subspace.primitive.direction.push_back(value);
  subspace.primitive.basis_rows = 2;
  MemorySink sink;
  const Trace trace = trace_of(request_with({subspace}), &sink);
  const auto* before = payload_named(sink, "activation_projection.layer_0");
  const auto* after = payload_named(sink, "activation_projection.layer_0.after");
  ASSERT_TRUE(before && after);
  EXPECT_EQ(before->shape, (std::vector<std::int64_t>{10, 2}));
  double largest = 0;
  for (std::size_t i = 0; i < after->values.size(); ++i) {
    EXPECT_NEAR(after->values[i], 0, 1e-4);
    largest = std::max(largest, std::abs(static_cast<double>(before->values[i])));
  }
  EXPECT_GT(largest, 1e-2) << "there was something to remove";
}

TEST_P(RuntimeProjection, EveryInterventionAndLayerAndSiteHasItsOwn) {
  Intervention inner = edit(PrimitiveMode::project, {1}, 3);
  inner.site = Site::mlp_out;
  Intervention last = edit(PrimitiveMode::project, {}, 4);
  last.site = Site::final_norm_out;
  const Trace trace =
      trace_of(request_with({edit(PrimitiveMode::project, {0, 1}), edit(PrimitiveMode::project, {0}, 2), inner, last}));
  std::vector<std::string> ids;
  for (const TraceArtifact* artifact : trace.artifacts_by_kind(ArtifactKind::metric))
    ids.push_back(artifact->artifact_id);
  EXPECT_EQ(ids, (std::vector<std::string>{"activation_projection.layer_0", "activation_norm.layer_0",
                                           "activation_projection.layer_1", "activation_norm.layer_1",
                                           "activation_projection.layer_0.2", "activation_norm.layer_0.2",
                                           "activation_projection.mlp_out.layer_1", "activation_norm.mlp_out.layer_1",
                                           "activation_projection.final_norm_out", "activation_norm.final_norm_out"}));
  EXPECT_NE(trace.find("activation_projection.layer_0")->digest, trace.find("activation_projection.layer_0.2")->digest);
  EXPECT_EQ(trace.find("activation_norm.layer_0")->digest, trace.find("activation_norm.layer_0.2")->digest);
}

TEST_P(RuntimeProjection, AreNotMadeUnlessWantedAndWantingThemChangesNoBit) {
  const Want logits{.kind = ArtifactKind::logits, .site = Site::logits};
  const Trace without = trace_of(request_with({edit(PrimitiveMode::subtract)}, {logits}));
  EXPECT_TRUE(without.artifacts_by_kind(ArtifactKind::metric).empty());
  const Trace with = trace_of(request_with({edit(PrimitiveMode::subtract)}, {logits, projections()}));
  EXPECT_EQ(with.find("logits")->digest, without.find("logits")->digest);
}

TEST_P(RuntimeProjection, WantedWithoutAnInterventionTheyAreMissingWithTheReason) {
  const Trace none = trace_of(request_with({}));
  ASSERT_EQ(none.missing().size(), 1u);
  EXPECT_EQ(none.missing()[0].kind, ArtifactKind::metric);
  EXPECT_NE(none.missing()[0].reason.find("the request has none"), std::string::npos);
  Intervention beyond = edit(PrimitiveMode::project);
  beyond.positions = *positions_from("400");
  const Trace nowhere = trace_of(request_with({beyond}));
  ASSERT_EQ(nowhere.missing().size(), 1u);
  EXPECT_NE(nowhere.missing()[0].reason.find("met a row"), std::string::npos);
}

TEST_P(RuntimeProjection, DoNotDependOnTheBatch) {
  TraceRequest other = request_with({edit(PrimitiveMode::project, {0, 1}, 1)});
  other.trace_id = "other";
  other.prompt_ids = {1, 299, 90};
  const TraceRequest alone = request_with({edit(PrimitiveMode::project, {0, 1})});
  const std::vector<TraceRequest> both{other, alone};
  const auto traces = session_->runtime().trace_batch(both);
  for (const auto& trace : traces) VB_ASSERT_OK(trace);
  const Trace single = trace_of(alone);
  for (const char* id : {"activation_projection.layer_0", "activation_projection.layer_1", "activation_norm.layer_1"}) {
    EXPECT_TRUE(!test::promises_bits(single) || traces[1]->find(id)->digest == single.find(id)->digest) << id;
    EXPECT_NE(traces[0]->find(id)->digest, single.find(id)->digest) << id;
  }
}

/// Directions that are read at one place share one pass (Ops::project): each says what it says alone.
TEST_P(RuntimeProjection, DirectionsReadAtOnePlaceSayWhatEachSaysAlone) {
  std::vector<Intervention> readers;
  for (int seed : {0, 1, 2}) readers.push_back(edit(PrimitiveMode::project, {0, 1}, seed));
  readers[2].primitive.mode = PrimitiveMode::subspace_project;
  readers[2].primitive.basis_rows = 2;
  const std::vector<double> second = direction(7);
  readers[2].primitive.direction.insert(readers[2].primitive.direction.end(), second.begin(), second.end());
  Intervention last = edit(PrimitiveMode::project, {0, 1}, 3);
  last.positions = *positions_from("last");  // other rows: on its own
  readers.push_back(last);
  MemorySink together;
  const Trace all = trace_of(request_with(readers), &together);
  for (std::size_t i = 0; i < readers.size(); ++i) {
    MemorySink alone;
    const Trace one = trace_of(request_with({readers[i]}), &alone);
    const std::string suffix = i == 0 ? "" : format(".{}", i + 1);
    for (const char* id : {"activation_projection.layer_0", "activation_projection.layer_1", "activation_norm.layer_1"}) {
      const MemorySink::Payload *here = payload_named(together, id + suffix), *there = payload_named(alone, id);
      ASSERT_TRUE(here && there) << id << suffix;
      EXPECT_EQ(here->shape, there->shape);
      test::expect_same_floats(here->values, there->values, test::promises_bits(one));
    }
    const Json &in_all = all.find(format("intervention.{}", i))->metadata, &in_one = one.find("intervention.0")->metadata;
    for (const char* key : {"rows_touched", "gate_open_count", "effect", "intervened"})
      EXPECT_EQ(*in_all.find(key), *in_one.find(key)) << key << suffix;
  }
}

TEST_P(RuntimeProjection, AreReadBackFromJsonAndReplayed) {
  const TraceRequest request = request_with({edit(PrimitiveMode::subtract)});
  MemorySink sink;
  const Trace trace = trace_of(request, &sink);
  const auto read = trace_from_json(to_json(trace));
  VB_ASSERT_OK(read);
  EXPECT_EQ(to_json(*read), to_json(trace));
  const auto asked = request_from_json(to_json(request));
  VB_ASSERT_OK(asked);
  EXPECT_EQ(asked->want[0].kind, ArtifactKind::metric);
  std::vector<Trace> stored;
  stored.push_back(*read);
  const auto replay = ReplayRuntime::make(std::move(stored));
  VB_ASSERT_OK(replay);
  const auto replayed = (*replay)->trace(*asked, nullptr);
  VB_ASSERT_OK(replayed);
  EXPECT_EQ(to_json(*replayed), to_json(trace));
}

TEST_P(RuntimeProjection, AWantWithLayersOrPositionsOfItsOwnIsRefused) {
  Want layers = projections(), positions = projections(), half = projections();
  layers.layers = {0};
  positions.positions = *positions_from("last");
  half.dtype = "f16";
  for (const Want& bad : {layers, positions, half}) {
    const auto trace = session_->runtime().trace(request_with({edit(PrimitiveMode::project)}, {bad}));
    ASSERT_FALSE(trace);
    EXPECT_EQ(trace.error().code, ErrorCode::invalid_input);
    EXPECT_NE(describe(trace.error()).find("kind 'metric'"), std::string::npos);
  }
}

}  // namespace
}  // namespace vauban
