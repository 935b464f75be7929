#include "vauban/trace.h"

#include <functional>
#include <gtest/gtest.h>
#include <limits>

#include "base/result.h"
#include "support/test_data.h"
#include "trace/trace_samples.h"

namespace vauban {
namespace {

using test::artifact;
using test::full_capability;
using test::trace_parts;

struct Violation {
  std::string says;
  std::function<void(TraceParts&)> plant;
};

TEST(Trace, TheSampleIsValidSoThatEachViolationStandsAlone) { VB_ASSERT_OK(Trace::make(trace_parts())); }

TEST(Trace, RefusesEachViolationOfTheGraph) {
  const std::vector<Violation> violations{
      {"expected an id", [](TraceParts& p) { p.trace_id = " "; }},
      {"expected a device label", [](TraceParts& p) { p.device.label = ""; }},
      {"expected a device kind", [](TraceParts& p) { p.device.kind = ""; }},
      {"span has a blank id", [](TraceParts& p) { p.spans[0].span_id = ""; }},
      {"has a blank name", [](TraceParts& p) { p.spans[0].name = "\t"; }},
      {"'span.0.tokenize' is used twice", [](TraceParts& p) { p.spans[1].span_id = "span.0.tokenize"; }},
      {"has a blank id", [](TraceParts& p) { p.artifacts[0].artifact_id = ""; }},
      {"'tokens' is used twice", [](TraceParts& p) { p.artifacts[2].artifact_id = "tokens"; }},
      {"names the producer 'span.9.x'", [](TraceParts& p) { p.artifacts[0].producer_span_id = "span.9.x"; }},
      {"names the input 'nothing'", [](TraceParts& p) { p.spans[1].input_artifacts = {"nothing"}; }},
      {"names the output 'nothing'", [](TraceParts& p) { p.spans[1].output_artifacts = {"nothing"}; }},
      {"names the input 'tokens' twice",
       [](TraceParts& p) {
         p.spans[1].input_artifacts = {"tokens", "tokens"};
       }},
      {"its producer must be that span, found 'span.0.tokenize'",
       [](TraceParts& p) { p.spans[1].output_artifacts.push_back("tokens"); }},
      {"its producer must be that span, found 'none'", [](TraceParts& p) { p.artifacts[2].producer_span_id.reset(); }},
      {"dimensions >= 0",
       [](TraceParts& p) {
         p.artifacts[2].shape = {{3, -1}};
       }},
      {"layer: expected >= 0", [](TraceParts& p) { p.artifacts[1].layer = -1; }},
      {"fire_count", [](TraceParts& p) { p.artifacts[1].fire_count = -1; }},
      {"64 lower-case hex", [](TraceParts& p) { p.artifacts[1].digest = "abc"; }},
      {"a path and a digest together", [](TraceParts& p) { p.artifacts[1].payload_path = "artifacts/x"; }},
      {"cannot be unsupported", [](TraceParts& p) { p.artifacts[1].level = SupportLevel::unsupported; }},
      {"summary: expected an object", [](TraceParts& p) { p.artifacts[1].summary = Json(3); }},
      {"metadata: expected an object", [](TraceParts& p) { p.spans[0].metadata = Json("x"); }},
      {"metadata: expected an object", [](TraceParts& p) { p.metadata = Json::array(); }},
      {"'duration_s'", [](TraceParts& p) { p.spans[0].profile->duration_s = -1; }},
      {"'duration_s'",
       [](TraceParts& p) { p.spans[0].profile->duration_s = std::numeric_limits<double>::quiet_NaN(); }},
      {"'memory_bytes'", [](TraceParts& p) { p.spans[0].profile->memory_bytes = -1; }},
      {"'batch_size'", [](TraceParts& p) { p.spans[0].profile->batch_size = -1; }},
      {"'token_count'", [](TraceParts& p) { p.spans[0].profile->token_count = -1; }},
      {"'input_bytes'", [](TraceParts& p) { p.spans[0].profile->input_bytes = -1; }},
      {"'output_bytes'", [](TraceParts& p) { p.spans[0].profile->output_bytes = -1; }},
      {"'queue_depth'", [](TraceParts& p) { p.spans[0].profile->queue_depth = -1; }},
      {"'host_device_copies'", [](TraceParts& p) { p.spans[0].profile->host_device_copies = -1; }},
      {"'sync_points'", [](TraceParts& p) { p.spans[0].profile->sync_points = -1; }},
      {"profile: expected a name", [](TraceParts& p) { p.spans[0].profile->name = ""; }},
      {"profile: expected a device label",
       [](TraceParts& p) {
         p.spans[0].profile->device = DeviceRef{"cpu", ""};
       }},
      {"expected a reason", [](TraceParts& p) { p.missing.emplace_back(); }},
  };
  for (const Violation& violation : violations) {
    TraceParts parts = trace_parts();
    violation.plant(parts);
    const auto trace = Trace::make(std::move(parts));
    ASSERT_FALSE(trace) << violation.says;
    EXPECT_EQ(trace.error().code, ErrorCode::corrupt);
    EXPECT_NE(trace.error().message.find(violation.says), std::string::npos) << describe(trace.error());
  }
}

TEST(Trace, AcceptsUnknownDeviceKindsAndEmptyDimensions) {
  TraceParts parts = trace_parts();
  parts.device = {"npu9", "npu9:3"};
  parts.artifacts[2].shape = {{0, 512}};
  VB_ASSERT_OK(Trace::make(std::move(parts)));
}

TEST(Trace, RefusesAnArtifactThatTheCapabilityRulesOut) {
  VB_ASSERT_OK(Trace::make(trace_parts(), full_capability()));
  Capability text_only = full_capability();
  text_only.logits = {SupportLevel::unsupported, "endpoint returned no logprobs"};
  const auto by_kind = Trace::make(trace_parts(), text_only);
  ASSERT_FALSE(by_kind);
  EXPECT_NE(by_kind.error().message.find("'logits'"), std::string::npos);
  EXPECT_NE(by_kind.error().message.find("endpoint returned no logprobs"), std::string::npos);

  Capability fused = full_capability();
  fused.site_limits[Site::resid_post] = {SupportLevel::unsupported, "fused"};
  const auto by_site = Trace::make(trace_parts(), fused);
  ASSERT_FALSE(by_site);
  EXPECT_EQ(by_site.error().code, ErrorCode::corrupt);
  EXPECT_NE(by_site.error().message.find("'resid_post'"), std::string::npos);

  fused.site_limits[Site::resid_post] = {SupportLevel::partial, "prefill only"};
  VB_EXPECT_OK(Trace::make(trace_parts(), fused));
}

TEST(Trace, FindsArtifactsAndListsKindsInCanonicalOrder) {
  TraceParts parts = trace_parts();
  parts.artifacts.push_back(artifact("text", ArtifactKind::text, "span.1.prefill"));
  const Trace trace = Trace::make(std::move(parts)).value();
  EXPECT_EQ(trace.find("logits")->kind, ArtifactKind::logits);
  EXPECT_EQ(trace.find("nothing"), nullptr);
  EXPECT_EQ(trace.artifacts_by_kind(ArtifactKind::activation).size(), 1u);
  EXPECT_EQ(trace.coverage(),
            (std::vector{ArtifactKind::text, ArtifactKind::tokens, ArtifactKind::logits, ArtifactKind::activation}));
}

TEST(TraceProfileSummary, SumsWhatAddsUpAndKeepsTheHighestOfTheRest) {
  TraceParts parts = trace_parts();
  StageProfile& first = *parts.spans[0].profile;
  StageProfile& second = *parts.spans[1].profile;
  first.token_count = 6;
  first.memory_bytes = 100;
  first.input_bytes = 31;
  first.host_device_copies = 1;
  second.token_count = 6;
  second.batch_size = 2;
  second.memory_bytes = 70;
  second.input_bytes = 9;
  second.output_bytes = 5;
  second.host_device_copies = 2;
  second.sync_points = 3;
  second.queue_depth = 4;
  parts.spans.push_back(test::span("span.2.decode", "decode", 2.0, {}, {}));
  parts.spans.back().profile->token_count = 8;
  const TraceProfileSummary summary = summarise(Trace::make(std::move(parts)).value());
  EXPECT_DOUBLE_EQ(summary.total_duration_s, 4.0);
  EXPECT_EQ(summary.profiled_spans, 3);
  EXPECT_EQ(summary.token_count, 8);
  EXPECT_EQ(summary.batch_size, 2);
  EXPECT_EQ(summary.peak_memory_bytes, 100);
  EXPECT_EQ(summary.max_queue_depth, 4);
  EXPECT_EQ(summary.total_input_bytes, 40);
  EXPECT_EQ(summary.total_output_bytes, 5);
  EXPECT_EQ(summary.host_device_copies, 3);
  EXPECT_EQ(summary.sync_points, 3);
  EXPECT_DOUBLE_EQ(summary.tokens_per_second.value(), 2.0);
  EXPECT_DOUBLE_EQ(summary.prefill_tokens_per_second.value(), 4.0);
  EXPECT_DOUBLE_EQ(summary.decode_tokens_per_second.value(), 4.0);
}

TEST(TraceProfileSummary, ARateWithoutTokensOrTimeStaysEmpty) {
  TraceParts parts = trace_parts();
  EXPECT_FALSE(summarise(Trace::make(parts).value()).tokens_per_second);
  parts.spans[1].profile->token_count = 6;
  parts.spans[0].profile->duration_s = 0;
  parts.spans[1].profile->duration_s = 0;
  const TraceProfileSummary summary = summarise(Trace::make(parts).value());
  EXPECT_FALSE(summary.tokens_per_second);
  EXPECT_FALSE(summary.prefill_tokens_per_second);
}

}  // namespace
}  // namespace vauban
