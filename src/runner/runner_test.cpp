#include "runner/runner.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/sha256.h"
#include "base/strings.h"
#include "runner/withhold.h"
#include "support/fake_runtime.h"
#include "support/test_data.h"
#include "trace/artifact_store.h"
#include "trace/observe_spec.h"
#include "trace/trace_json.h"

namespace vauban {
namespace {

using test::FakeRuntime;

Suite suite_of(std::vector<std::pair<std::string, std::string>> prompts) {
  Suite suite;
  for (auto& [id, redaction] : prompts) {
    SuitePrompt prompt;
    prompt.id = id;
    prompt.text = "what about " + id + "?";
    prompt.redaction = redaction;
    suite.prompts.push_back(std::move(prompt));
  }
  return suite;
}

class Runner : public testing::Test {
 protected:
  RunPlan plan_of(const Suite& suite, std::string_view observe = "") const {
    RunPlan plan{.suite = &suite, .model_label = "baseline"};
    plan.sampling.max_tokens = 2;
    plan.prompt_count = suite.prompts.size();
    if (!observe.empty()) plan.want = parse_observe(observe).value();
    return plan;
  }
  Result<std::vector<ExecutedRow>> run(const RunPlan& plan, const PresentRows& present = {}) {
    VB_TRY(AppendLog observations, AppendLog::open(folder_ / "observations.jsonl"));
    VB_TRY(AppendLog traces, AppendLog::open(folder_ / "traces.jsonl"));
    const RowFinisher finish = [](Observation& row, const SuitePrompt&, std::string_view output) {
      row.outcome = "ok";
      row.metrics["length"] = static_cast<double>(output.size());
    };
    return run_chunk(runtime_, plan, present, {observations, traces, &store_}, finish, context_);
  }
  std::vector<Observation> rows() const { return read_observations(folder_ / "observations.jsonl", {}).value(); }
  PresentRows present() const {
    PresentRows out;
    for (Observation& row : rows()) out.emplace(RowKey{row.model_label, row.prompt_id, row.sample_index}, row);
    return out;
  }
  std::vector<Trace> traces() const {
    const std::string text = stored_text("traces.jsonl");
    std::vector<Trace> out;
    for (const std::string_view line : split(text, '\n'))
      if (!line.empty()) out.push_back(trace_from_json(Json::parse(line).value()).value());
    return out;
  }
  std::string stored_text(std::string_view file) const { return test::read_text(folder_ / file); }

  test::TempDir folder_;
  ThreadPool pool_{1};
  SystemClock clock_;
  SilentProgress progress_;
  CancelToken cancel_;
  Context context_{.pool = pool_, .clock = clock_, .progress = progress_, .cancel = cancel_};
  FakeRuntime runtime_;
  MemoryStore store_;
};

std::vector<std::string> ids_of(const std::vector<Observation>& rows) {
  std::vector<std::string> ids;
  for (const Observation& row : rows) ids.push_back(row.id);
  return ids;
}

constexpr std::string_view kEverything =
    "embed_out:payload,resid_pre:0:summary,resid_post:1:payload@last,resid_post:1:summary@0,logits:top5,logprobs:summary@decode";

TEST_F(Runner, WritesRowsAndTracesInTheOrderOfTheSuite) {
  const Suite suite = suite_of({{"a", "safe"}, {"b", "omitted"}, {"c", "safe"}, {"d", "redacted"}});
  const auto done = run(plan_of(suite));
  VB_ASSERT_OK(done);
  EXPECT_EQ(ids_of(rows()), (std::vector<std::string>{"baseline:a", "baseline:b", "baseline:c", "baseline:d"}));
  std::vector<std::string> trace_ids;
  for (const Trace& trace : traces()) trace_ids.push_back(trace.id());
  EXPECT_EQ(trace_ids, (std::vector<std::string>{"baseline:a:0", "baseline:b:0", "baseline:c:0", "baseline:d:0"}));
  ASSERT_EQ(done->size(), 4u);
  for (const ExecutedRow& row : *done) EXPECT_TRUE(row.ran && row.output_ids == runtime_.output_ids) << row.prompt_id;
}

TEST_F(Runner, SamplesOfAPromptAreRowsOfTheirOwn) {
  const Suite suite = suite_of({{"a", "safe"}, {"b", "safe"}});
  RunPlan plan = plan_of(suite);
  plan.samples = 2;
  VB_ASSERT_OK(run(plan));
  EXPECT_EQ(ids_of(rows()), (std::vector<std::string>{"baseline:a:0", "baseline:a:1", "baseline:b:0", "baseline:b:1"}));
}

TEST_F(Runner, AChunkRunsItsPromptsOnly) {
  const Suite suite = suite_of({{"a", "safe"}, {"b", "safe"}, {"c", "safe"}});
  RunPlan plan = plan_of(suite);
  plan.first_prompt = 1;
  plan.prompt_count = 1;
  VB_ASSERT_OK(run(plan));
  EXPECT_EQ(ids_of(rows()), (std::vector<std::string>{"baseline:b"}));
  EXPECT_EQ(runtime_.calls.front().requests.front().metadata.find("prompt_index")->as_int(), 1);
}

TEST_F(Runner, ResumingRunsOnlyWhatHasNoRow) {
  const Suite suite = suite_of({{"a", "safe"}, {"b", "safe"}, {"c", "safe"}});
  RunPlan first = plan_of(suite);
  first.prompt_count = 1;
  VB_ASSERT_OK(run(first));
  runtime_.calls.clear();
  const auto done = run(plan_of(suite), present());
  VB_ASSERT_OK(done);
  ASSERT_EQ(runtime_.calls.size(), 1u);
  ASSERT_EQ(runtime_.calls[0].requests.size(), 2u);
  EXPECT_EQ(runtime_.calls[0].requests[0].trace_id, "baseline:b:0");
  EXPECT_EQ(rows().size(), 3u);
  EXPECT_EQ(done->front().output_ids, runtime_.output_ids) << "from the stored row";
  EXPECT_EQ(done->front().prompt_ids, runtime_.prompt_ids);
}

TEST_F(Runner, AWithheldRowIsRunAgainForItsIdsAndNotWrittenAgain) {
  const Suite suite = suite_of({{"a", "redacted"}});
  VB_ASSERT_OK(run(plan_of(suite, kEverything)));
  const std::string rows_before = stored_text("observations.jsonl"), traces_before = stored_text("traces.jsonl");
  const auto done = run(plan_of(suite, kEverything), present());
  VB_ASSERT_OK(done);
  EXPECT_EQ(done->front().output_ids, runtime_.output_ids);
  EXPECT_EQ(runtime_.calls.size(), 2u);
  EXPECT_EQ(runtime_.calls[1].sink, nullptr);
  EXPECT_EQ(stored_text("observations.jsonl"), rows_before);
  EXPECT_EQ(stored_text("traces.jsonl"), traces_before);
}

TEST_F(Runner, AFailingPromptLeavesARowAndTheRunGoesOn) {
  const Suite suite = suite_of({{"a", "safe"}, {"b", "safe"}, {"c", "safe"}});
  runtime_.failures["b"] = unsupported("no template");
  const auto done = run(plan_of(suite));
  VB_ASSERT_OK(done);
  const auto written = rows();
  ASSERT_EQ(written.size(), 3u);
  EXPECT_EQ(written[1].outcome, "infra_error");
  EXPECT_EQ(written[1].metadata.find("error")->find("code")->as_string(), "unsupported");
  EXPECT_TRUE(written[1].metrics.empty()) << "a failure is never graded";
  EXPECT_EQ(written[2].outcome, "ok");
  EXPECT_FALSE((*done)[1].ran);
  EXPECT_EQ(traces().size(), 2u);
}

TEST_F(Runner, LastingFailuresStayOnResumeAndTransientOnesAreTriedAgain) {
  const Suite suite = suite_of({{"lasting", "safe"}, {"memory", "safe"}, {"disk", "safe"}});
  runtime_.failures = {{"lasting", invalid_input("no token")}, {"memory", resource("no page left")}, {"disk", io("unreadable")}};
  VB_ASSERT_OK(run(plan_of(suite)));
  const PresentRows failed = present();
  EXPECT_FALSE(is_transient_failure(failed.at({"baseline", "lasting", 0})));
  EXPECT_TRUE(is_transient_failure(failed.at({"baseline", "memory", 0})));
  EXPECT_TRUE(is_transient_failure(failed.at({"baseline", "disk", 0})));

  runtime_.failures.clear();
  runtime_.calls.clear();
  std::filesystem::remove(folder_ / "observations.jsonl");
  const auto done = run(plan_of(suite), failed);
  VB_ASSERT_OK(done);
  ASSERT_EQ(runtime_.calls.size(), 1u);
  EXPECT_EQ(runtime_.calls[0].requests.size(), 2u);
  EXPECT_EQ(ids_of(rows()), (std::vector<std::string>{"baseline:memory", "baseline:disk"}));
  EXPECT_EQ(rows()[0].outcome, "ok");
  EXPECT_FALSE((*done)[0].ran);
  EXPECT_TRUE((*done)[1].ran && (*done)[2].ran);
}

TEST_F(Runner, OnlyMemoryAndDiskAreTransient) {
  Observation row;
  row.outcome = "infra_error";
  EXPECT_FALSE(is_transient_failure(row)) << "no code";
  row.metadata = Json::object({{"error", Json::object({{"code", "resource"}})}});
  EXPECT_TRUE(is_transient_failure(row));
  row.outcome = "ok";
  EXPECT_FALSE(is_transient_failure(row));
  row.outcome = "infra_error";
  for (const char* code : {"internal", "corrupt", "unsupported", "invalid_input"}) {
    row.metadata = Json::object({{"error", Json::object({{"code", code}})}});
    EXPECT_FALSE(is_transient_failure(row)) << code;
  }
  row.metadata = Json::object({{"error", "text"}});
  EXPECT_FALSE(is_transient_failure(row));
}

TEST_F(Runner, CancellationStopsTheRunWithoutARow) {
  const Suite suite = suite_of({{"a", "safe"}, {"b", "safe"}});
  runtime_.failures["b"] = cancelled("stopped by the user");
  const auto stopped = run(plan_of(suite));
  ASSERT_FALSE(stopped.has_value());
  EXPECT_EQ(stopped.error().code, ErrorCode::cancelled);
  EXPECT_EQ(ids_of(rows()), (std::vector<std::string>{"baseline:a"}));

  runtime_.failures.clear();
  runtime_.after_batch = [&] { cancel_.cancel(); };
  const auto again = run(plan_of(suite), present());
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::cancelled);
  EXPECT_EQ(rows().size(), 1u);
}

TEST_F(Runner, SafePromptsKeepTheirTextAndPayloads) {
  const Suite suite = suite_of({{"a", "safe"}});
  VB_ASSERT_OK(run(plan_of(suite, kEverything)));
  EXPECT_EQ(store_.payloads().size(), 2u);
  EXPECT_EQ(rows()[0].output_text, runtime_.answer);
  EXPECT_EQ(rows()[0].output_ids, runtime_.output_ids);
  const Trace trace = traces().at(0);
  EXPECT_EQ(trace.find("text")->metadata.find("text")->as_string(), runtime_.answer);
  EXPECT_TRUE(trace.missing().empty());
}

/// Everything in the folder that the runner wrote: no text, no id, no value of a token, no payload.
TEST_F(Runner, NothingOfAWithheldPromptCanBeReadBack) {
  for (const char* redaction : {"redacted", "omitted"}) {
    SCOPED_TRACE(redaction);
    std::filesystem::remove(folder_ / "observations.jsonl");
    std::filesystem::remove(folder_ / "traces.jsonl");
    const Suite suite = suite_of({{"a", redaction}});
    VB_ASSERT_OK(run(plan_of(suite, kEverything)));
    EXPECT_TRUE(store_.payloads().empty());
    EXPECT_EQ(runtime_.calls.back().sink, nullptr);
    for (const char* file : {"observations.jsonl", "traces.jsonl"}) {
      const std::string text = stored_text(file);
      for (const char* trace_of_it : {"secret", "what about", "70001", "70003", "80001", "\"ids\"", "\"pieces\"", "\"values\"", "\"rows\"", "payload_digest\":\""})
        EXPECT_EQ(text.find(trace_of_it), std::string::npos) << file << " holds " << trace_of_it;
    }
  }
}

TEST_F(Runner, WhatIsWithheldIsMissingWithItsReason) {
  const Suite suite = suite_of({{"a", "redacted"}});
  VB_ASSERT_OK(run(plan_of(suite, kEverything)));
  const auto missing_of = [trace = traces().at(0)](Site site) {
    return std::count_if(trace.missing().begin(), trace.missing().end(), [&](const Missing& entry) {
      return entry.site == site && entry.reason == "withheld by redaction" && !entry.unsupported;
    });
  };
  for (const Site site : {Site::embed_out, Site::resid_pre, Site::resid_post, Site::logits}) EXPECT_GE(missing_of(site), 1) << to_string(site);
  EXPECT_EQ(missing_of(Site::logprobs), 0) << "a summary of all decoded rows may stay";
}

TEST_F(Runner, OmittedLeavesNoDigestAndNoLengthToGuessBy) {
  const Suite suite = suite_of({{"r", "redacted"}, {"o", "omitted"}});
  VB_ASSERT_OK(run(plan_of(suite, kEverything)));
  const Trace redacted = traces().at(0), omitted = traces().at(1);
  EXPECT_EQ(redacted.find("text")->metadata.find("text_sha256")->as_string(), sha256_hex(std::string_view(runtime_.answer)));
  EXPECT_FALSE(redacted.find("tokens")->digest.empty());
  for (const TraceArtifact& artifact : omitted.artifacts()) EXPECT_EQ(artifact.digest, "") << artifact.artifact_id;
  const std::string line = to_json(omitted).dump().value();
  for (const char* key : {"text_sha256", "text_length", "prompt_ids_sha256", "request_digest"})
    EXPECT_EQ(line.find(key), std::string::npos) << key;
}

/// The rows of the embedding are the table of ids itself: even a maximum over them names a token.
TEST_F(Runner, SitesOfSingleTokensLoseTheirFigures) {
  const Suite suite = suite_of({{"a", "redacted"}});
  VB_ASSERT_OK(run(plan_of(suite, "embed_out:summary,resid_pre:0:summary,q:0:summary,resid_pre:1:summary,attn_out:0:summary")));
  const Trace trace = traces().at(0);
  for (const TraceArtifact& artifact : trace.artifacts()) {
    if (artifact.kind != ArtifactKind::activation) continue;
    const bool single = artifact.site == Site::embed_out || artifact.site == Site::q || (artifact.site == Site::resid_pre && artifact.layer == 0);
    EXPECT_EQ(artifact.digest.empty(), single) << artifact.artifact_id;
    EXPECT_EQ(artifact.summary.size() == 0, single) << artifact.artifact_id;
  }
}

TEST_F(Runner, WithoutRecordedOutputsASafePromptIsTreatedAsRedacted) {
  const Suite suite = suite_of({{"a", "safe"}});
  RunPlan plan = plan_of(suite, kEverything);
  plan.record_outputs = false;
  VB_ASSERT_OK(run(plan));
  EXPECT_TRUE(store_.payloads().empty());
  EXPECT_EQ(stored_text("traces.jsonl").find("secret"), std::string::npos);
  EXPECT_EQ(rows()[0].redaction, Redaction::redacted);
}

TEST_F(Runner, AnErrorOfAWithheldPromptKeepsItsCodeOnly) {
  const Suite suite = suite_of({{"a", "omitted"}});
  runtime_.failures["a"] = resource("no room for 'what about a?'");
  VB_ASSERT_OK(run(plan_of(suite)));
  EXPECT_EQ(stored_text("observations.jsonl").find("what about"), std::string::npos);
  EXPECT_TRUE(is_transient_failure(rows()[0]));
}

TEST(RunnerRequest, IsStableAndEqualForBothSides) {
  const Suite suite = suite_of({{"a", "safe"}, {"b", "safe"}});
  RunPlan plan{.suite = &suite, .model_label = "baseline"};
  plan.sampling.seed = 7;
  plan.want = parse_observe("resid_post:1:payload@last").value();
  const TraceRequest once = request_for(suite.prompts[1], 1, 3, plan).value(), again = request_for(suite.prompts[1], 1, 3, plan).value();
  EXPECT_EQ(to_json(once).dump().value(), to_json(again).dump().value());
  EXPECT_EQ(once.trace_id, "baseline:b:3");
  EXPECT_EQ(once.sampling.sample, 3u);
  EXPECT_EQ(once.metadata, Json::object({{"prompt_id", "b"}, {"prompt_index", 1}}));
  plan.model_label = "candidate";
  TraceRequest other = request_for(suite.prompts[1], 1, 3, plan).value();
  EXPECT_EQ(other.trace_id, "candidate:b:3");
  other.trace_id = once.trace_id;
  EXPECT_EQ(to_json(once).dump().value(), to_json(other).dump().value());
}

TEST(StorableRequest, DowngradedWantsJoinThoseThatAskTheSame) {
  TraceRequest request;
  request.trace_id = "t";
  request.prompt_ids = {1};
  for (const char* observe : {"resid_post:0-1:summary,resid_post:1-2:payload_f16,resid_post:3:payload",
                              "resid_post:1:summary,resid_post:all:payload", "resid_post:all:summary,resid_post:1:payload"}) {
    SCOPED_TRACE(observe);
    request.want = parse_observe(observe).value();
    const StorableRequest storable = storable_request(request, Redaction::redacted);
    VB_EXPECT_OK(validate(storable.request));
    ASSERT_EQ(storable.request.want.size(), 1u);
    EXPECT_EQ(storable.request.want[0].form, Form::summary);
    EXPECT_FALSE(storable.withheld.empty());
    EXPECT_EQ(storable_request(request, Redaction::safe).request.want.size(), request.want.size());
  }
}

/// The coefficients of one row on a known direction say as much about its token as the row's own figures.
TEST(Withhold, ProjectionsAreTreatedAsTheActivationsTheyComeFrom) {
  const auto stored = [](std::string positions, Redaction redaction) {
    TraceArtifact artifact{.artifact_id = "activation_projection.layer_1", .kind = ArtifactKind::metric};
    artifact.shape = std::vector<std::int64_t>{1, 1};
    artifact.dtype = "f32";
    artifact.digest = artifact.payload_digest = std::string(64, 'a');
    artifact.payload_path = "artifacts/x";
    artifact.site = Site::resid_post;
    artifact.layer = 1;
    artifact.positions = std::move(positions);
    artifact.summary = Json::object({{"mean", 0.5}});
    artifact.metadata = Json::object({{"projection_summary", Json::object({{"mean", 0.5}})},
                                      {"prompt_ids_sha256", std::string(64, 'b')},
                                      {"mode", "project"}});
    TraceParts parts{.trace_id = "t", .device = {"cpu", "cpu:0"}};
    parts.artifacts = {artifact};
    return withhold(Trace::make(std::move(parts)).value(), redaction, {}).value().artifacts().front();
  };
  const TraceArtifact one = stored("3", Redaction::redacted), all = stored("all", Redaction::redacted),
                      omitted = stored("all", Redaction::omitted);
  EXPECT_TRUE(one.digest.empty());
  EXPECT_EQ(one.summary.size(), 0u);
  EXPECT_EQ(one.metadata.find("projection_summary"), nullptr);
  EXPECT_NE(one.metadata.find("mode"), nullptr) << "what was asked for stays";
  EXPECT_FALSE(all.digest.empty());
  EXPECT_NE(all.metadata.find("projection_summary"), nullptr);
  EXPECT_TRUE(all.payload_path.empty());
  EXPECT_TRUE(omitted.digest.empty());
  EXPECT_EQ(omitted.metadata.find("prompt_ids_sha256"), nullptr);
}

}  // namespace
}  // namespace vauban
