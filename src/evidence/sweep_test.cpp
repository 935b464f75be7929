#include "evidence/sweep.h"

#include <cmath>
#include <functional>
#include <gtest/gtest.h>

#include "support/test_data.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

StageProfile profile(std::string name, double seconds, std::int64_t tokens) {
  StageProfile made{.name = std::move(name)};
  made.duration_s = seconds;
  made.token_count = tokens;
  made.batch_size = 1;
  made.queue_depth = 0;
  made.host_device_copies = 2;
  made.sync_points = 3;
  made.memory_bytes = 100 * tokens;
  return made;
}

/// load (slow, once), prefill of `prompt` tokens at 1 ms each, decode of 4 tokens at 10 ms each.
TraceParts parts(const std::string& id, std::int64_t prompt, const std::string& run = "") {
  TraceParts made;
  made.trace_id = id;
  made.device = {"cpu", "cpu:0"};
  const double prompt_s = 0.001 * static_cast<double>(prompt);
  made.spans = {{.span_id = "span.0.load", .name = "load", .profile = profile("load", 50, 0)},
                {.span_id = "span.1.prefill", .name = "prefill", .profile = profile("prefill", prompt_s, prompt)},
                {.span_id = "span.2.decode", .name = "decode", .profile = profile("decode", 0.04, 4)}};
  TraceArtifact tokens;
  tokens.artifact_id = "tokens";
  tokens.kind = ArtifactKind::tokens;
  made.artifacts = {tokens};
  if (!run.empty())
    made.metadata = Json::object({{"request", Json::object({{"sweep", Json::object({{"run", run}})}})}});
  return made;
}

using Edit = std::function<void(TraceParts&, std::int64_t value, int run)>;

/// Seven runs of each prompt length, the longest first; `edit` may change each.
std::vector<Trace> traces(const std::vector<std::int64_t>& values = {8, 2, 4}, const Edit& edit = {}) {
  std::vector<Trace> made;
  for (int run = 0; run < 7; ++run)
    for (const std::int64_t value : values) {
      TraceParts one = parts(format("t{}.{}", value, run), value);
      if (edit) edit(one, value, run);
      made.push_back(Trace::make(std::move(one)).value());
    }
  return made;
}

TEST(Sweep, SummarisesEveryPointAfterItsWarmUp) {
  const auto made = traces({8, 2, 4}, [](TraceParts& one, std::int64_t, int run) {
    one.spans[1].profile->duration_s *= run < 2 ? 1000 : 1 + run;  // 3 to 7 after two runs of warm-up
  });
  const auto sweep = summarise_sweep(made, SweepAxis::token_count, {.id = "s", .warmup = 2});
  VB_ASSERT_OK(sweep);
  ASSERT_EQ(sweep->points.size(), 3u);
  EXPECT_EQ(sweep->points[0].axis_value, 2);
  EXPECT_EQ(sweep->points[1].axis_value, 4);
  EXPECT_EQ(sweep->points[2].axis_value, 8);
  const TraceProfileSweepPoint& point = sweep->points[1];
  EXPECT_EQ(point.samples, 5);
  EXPECT_EQ(point.requests, 1);
  EXPECT_EQ(point.trace_ids, (std::vector<std::string>{"t4.2", "t4.3", "t4.4", "t4.5", "t4.6"}));
  // 0.004 (3, 4, 5, 6, 7) + 0.04: loading is not the work that is compared.
  EXPECT_NEAR(point.total_duration_s.mean(), 0.060, 1e-12);
  EXPECT_NEAR(point.total_duration_s.median(), 0.060, 1e-12);
  EXPECT_NEAR(point.total_duration_s.min(), 0.052, 1e-12);
  EXPECT_NEAR(point.total_duration_s.max(), 0.068, 1e-12);
  EXPECT_NEAR(point.total_duration_s.std(), 0.004 * std::sqrt(2.5), 1e-12);
  EXPECT_NEAR(point.prefill_tokens_per_second.values[0], 1000.0 / 3, 1e-9);
  EXPECT_NEAR(point.decode_tokens_per_second.mean(), 100, 1e-9);
  EXPECT_NEAR(point.tokens_per_second.values[0], 4 / 0.052, 1e-9);
  EXPECT_EQ(point.peak_memory_bytes, 400);
  EXPECT_EQ(point.total_host_device_copies, 5 * 3 * 2);
  EXPECT_EQ(point.total_sync_points, 5 * 3 * 3);
  EXPECT_TRUE(point.device_s.values.empty());
}

TEST(Sweep, RequestsThatRanTogetherAreOneSample) {
  std::vector<Trace> made;
  for (int run = 0; run < 6; ++run)
    for (int i = 0; i < 3; ++i) {
      TraceParts one = parts(format("t{}.{}", run, i), 4, format("run{}", run));
      one.spans[1].profile->queue_depth = 2 - i;  // who came last waited for nobody
      one.spans[1].profile->device_s = 0.5;
      made.push_back(Trace::make(std::move(one)).value());
    }
  const auto sweep = summarise_sweep(made, SweepAxis::queue_depth);
  VB_ASSERT_OK(sweep);
  ASSERT_EQ(sweep->points.size(), 1u);
  const TraceProfileSweepPoint& point = sweep->points[0];
  EXPECT_EQ(point.axis_value, 2);
  EXPECT_EQ(point.samples, 5);
  EXPECT_EQ(point.requests, 3);
  EXPECT_NEAR(point.total_duration_s.mean(), 3 * 0.044, 1e-12);
  EXPECT_NEAR(point.decode_tokens_per_second.mean(), 100, 1e-9);
  EXPECT_NEAR(point.device_s.mean(), 1.5, 1e-12);
}

TEST(Sweep, OtherArtifactsInOneTraceRefuseTheSweepByName) {
  const auto made = traces({2, 4}, [](TraceParts& one, std::int64_t value, int run) {
    if (value == 4 && run == 3) one.artifacts[0].kind = ArtifactKind::text;
  });
  const auto sweep = summarise_sweep(made, SweepAxis::token_count);
  ASSERT_FALSE(sweep);
  EXPECT_EQ(
      sweep.error().message,
      "trace 't4.3' covers other artifact kinds than the first, 't2.0': it has text beside them; it lacks tokens");
}

TEST(Sweep, ATraceWithoutTheAxisValueIsAnError) {
  const auto made = traces({2, 4}, [](TraceParts& one, std::int64_t value, int run) {
    if (value == 2 && run == 5)
      for (TraceSpan& span : one.spans) span.profile->queue_depth.reset();
  });
  const auto sweep = summarise_sweep(made, SweepAxis::queue_depth);
  ASSERT_FALSE(sweep);
  EXPECT_NE(sweep.error().message.find("'t2.5' has no queue_depth"), std::string::npos) << sweep.error().message;
  VB_EXPECT_OK(summarise_sweep(made, SweepAxis::token_count));
}

TEST(Sweep, RefusesTooFewRunsAndMixedRuns) {
  const auto made = traces();
  const auto message = [](const Result<TraceProfileSweep>& sweep) { return sweep ? "" : sweep.error().message; };
  EXPECT_NE(message(summarise_sweep(made, SweepAxis::token_count, {.samples = 4})).find("expected 5 or more"),
            std::string::npos);
  EXPECT_NE(message(summarise_sweep(made, SweepAxis::token_count, {.warmup = 3})).find("found 4"), std::string::npos);
  EXPECT_NE(message(summarise_sweep({}, SweepAxis::token_count)).find("needs traces"), std::string::npos);
  std::vector<Trace> twice = made;
  twice.push_back(made.front());
  EXPECT_NE(message(summarise_sweep(twice, SweepAxis::token_count)).find("twice"), std::string::npos);
  std::vector<Trace> mixed = made;
  for (int i = 0; i < 2; ++i) mixed.push_back(Trace::make(parts(format("pair.{}", i), 4, "pair")).value());
  EXPECT_NE(message(summarise_sweep(mixed, SweepAxis::token_count)).find("a run of 2 requests"), std::string::npos);
}

/// A figure over the runs that happen to have it would be a figure of another set of runs.
TEST(Sweep, AFigureThatOneRunLacksIsLeftOut) {
  const auto made = traces({4}, [](TraceParts& one, std::int64_t, int run) {
    if (run != 4) one.spans[1].profile->device_s = 0.5;
    if (run == 4) one.spans[2].profile->token_count.reset();
  });
  const auto sweep = summarise_sweep(made, SweepAxis::token_count);
  VB_ASSERT_OK(sweep);
  EXPECT_TRUE(sweep->points[0].device_s.values.empty());
  EXPECT_TRUE(sweep->points[0].decode_tokens_per_second.values.empty());
  EXPECT_EQ(sweep->points[0].prefill_tokens_per_second.values.size(), 6u);
}

TEST(Sweep, HasTheKeysOfTheContract) {
  const auto sweep = summarise_sweep(traces(), SweepAxis::token_count, {.id = "s"});
  VB_ASSERT_OK(sweep);
  const Json json = to_json(*sweep, disabled(), "no fit was asked for");
  for (const char* key : {"id", "axis", "artifact_kinds", "points", "metadata"})
    EXPECT_NE(json.find(key), nullptr) << key;
  EXPECT_EQ(json.find("artifact_kinds")->dump().value(), R"(["tokens"])");
  const Json* metadata = json.find("metadata");
  EXPECT_TRUE(metadata->find("requires_stable_artifacts")->as_bool());
  EXPECT_EQ(metadata->find("fit")->dump().value(), R"({"status":"disabled"})");
  EXPECT_EQ(metadata->find("reason")->as_string(), "no fit was asked for");
  const Json& point = json.find("points")->items()[0];
  for (const char* key : {"axis_value", "trace_ids", "samples", "mean_total_duration_s", "mean_tokens_per_second",
                          "peak_memory_bytes", "total_host_device_copies", "total_sync_points"})
    EXPECT_NE(point.find(key), nullptr) << key;
  EXPECT_EQ(point.find("total_duration_s")->find("values")->size(), 6u);
  EXPECT_EQ(not_computed("why").dump().value(), R"({"reason":"why","status":"not_computed"})");
}

/// What is written down is enough to compute the sweep again.
TEST(Sweep, StoredTracesGiveTheSameSweep) {
  const auto made = traces();
  std::vector<Trace> again;
  for (const Trace& trace : made)
    again.push_back(trace_from_json(Json::parse(to_json(trace).dump().value()).value()).value());
  const auto first = summarise_sweep(made, SweepAxis::token_count),
             second = summarise_sweep(again, SweepAxis::token_count);
  VB_ASSERT_OK(first);
  VB_ASSERT_OK(second);
  EXPECT_EQ(to_json(*first, disabled(), ""), to_json(*second, disabled(), ""));
}

}  // namespace
}  // namespace vauban
