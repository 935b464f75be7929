#include "trace/trace_json.h"

#include <gtest/gtest.h>
#include <limits>

#include "support/test_data.h"
#include "trace/trace_samples.h"

namespace vauban {
namespace {

using test::full_capability;
using test::trace_parts;

// trace-contract 3.3: what the earlier Python tool wrote.
constexpr std::string_view kOlderForm = R"({"id":"t1","device":{"kind":"cpu","label":"cpu:0"},
 "spans":[{"id":"span.0.tokenize","name":"tokenize","input_artifacts":[],"output_artifacts":["tokens"],"metadata":{},
   "profile":{"name":"tokenize","duration_s":0.0004,"device":null,"memory_bytes":null,"batch_size":1,"token_count":9,"input_bytes":31,
     "output_bytes":72,"host_device_copies":0,"sync_points":0,"queue_depth":null,"metadata":{}}}],
 "artifacts":[{"id":"tokens","kind":"tokens","producer_span_id":"span.0.tokenize","shape":[9],"metadata":{"token_count":9,"text_length_chars":31}}],
 "metadata":{}})";

/// Every field set to something that is not its default.
TraceParts rich_parts() {
  TraceParts parts = trace_parts();
  parts.numerics = Numerics::native;
  parts.model.lineage = Json::object({{"base", "other"}});
  StageProfile& profile = *parts.spans[1].profile;
  profile.device = DeviceRef{"cuda", "cuda:1"};
  profile.memory_bytes = 7;
  profile.batch_size = 1;
  profile.token_count = 3;
  profile.input_bytes = 12;
  profile.output_bytes = 4;
  profile.queue_depth = 2;
  profile.host_device_copies = 5;
  profile.sync_points = 6;
  profile.device_s = 0.125;
  profile.host_peak_bytes = 4096;
  profile.step_duration_s = {0.5, 0.25};
  profile.kernel_path = "cpu/avx512 f32";
  profile.notes = {"cold"};
  parts.spans[1].metadata = Json::object({{"pass", 0}});
  TraceArtifact& artifact = parts.artifacts[1];
  artifact.shape = {{3, 8}};
  artifact.dtype = "f32";
  artifact.digest = std::string(64, '1');
  artifact.payload_path = "artifacts/" + std::string(64, '2') + ".safetensors";
  artifact.payload_digest = std::string(64, '2');
  artifact.summary = Json::object({{"mean", 0.1f}, {"count", 24}});
  artifact.positions = "0-2";
  artifact.fire_count = 2;
  artifact.level = SupportLevel::partial;
  artifact.metadata = Json::object({{"alias", "activation.layer_1"}});
  parts.missing = {{ArtifactKind::activation, Site::attn_scores, 0, "fused attention path has no scores", true},
                   {ArtifactKind::logprobs, Site::logprobs, std::nullopt, "not emitted", false}};
  parts.metadata = Json::object({{"note", "x"}});
  return parts;
}

std::string text_of(const Trace& trace) { return to_json(trace).dump().value(); }

Json parsed(std::string_view text) { return Json::parse(text).value(); }

TEST(TraceJson, RoundTripsEveryField) {
  for (const TraceParts& parts : {trace_parts(), rich_parts()}) {
    const Trace trace = Trace::make(parts).value();
    const std::string text = text_of(trace);
    const auto again = trace_from_json(parsed(text));
    VB_ASSERT_OK(again);
    EXPECT_EQ(text_of(*again), text);
    EXPECT_EQ(again->missing().size(), parts.missing.size());
    EXPECT_EQ(again->spans()[1].profile->device, parts.spans[1].profile->device);
    EXPECT_EQ(again->artifacts()[1].digest, parts.artifacts[1].digest);
    EXPECT_EQ(again->parts().numerics, parts.numerics);
  }
}

TEST(TraceJson, NamesMissingAndUnsupportedKindsInMetadata) {
  const Json json = to_json(Trace::make(rich_parts()).value());
  const Json* metadata = json.find("metadata");
  EXPECT_EQ(metadata->find("missing_requested_artifacts")->dump().value(), R"(["logprobs"])");
  EXPECT_EQ(metadata->find("unsupported_requested_artifacts")->dump().value(), R"(["activation"])");
  EXPECT_EQ(json.find("missing")->items()[0].find("reason")->as_string(), "fused attention path has no scores");
  EXPECT_EQ(metadata->find("note")->as_string(), "x");
}

TEST(TraceJson, ReadsTheOlderForm) {
  const auto trace = trace_from_json(parsed(kOlderForm));
  VB_ASSERT_OK(trace);
  EXPECT_EQ(trace->id(), "t1");
  EXPECT_EQ(trace->spans()[0].profile->token_count, 9);
  EXPECT_DOUBLE_EQ(trace->spans()[0].profile->duration_s, 0.0004);
  EXPECT_EQ(trace->find("tokens")->metadata.find("text_length_chars")->as_int(), 31);
  // What that form does not state is said to be absent, and stays so when it is written again.
  EXPECT_EQ(trace->parts().metadata.find("absent_fields")->dump().value(), R"(["backend","model","numerics"])");
  const auto again = trace_from_json(parsed(text_of(*trace)));
  VB_ASSERT_OK(again);
  EXPECT_EQ(text_of(*again), text_of(*trace));
}

TEST(TraceJson, KeepsTheMetadataOfAnOlderProfile) {
  std::string text(kOlderForm);
  const std::string_view empty = R"("queue_depth":null,"metadata":{})";
  text.replace(text.find(empty), empty.size(), R"("queue_depth":null,"metadata":{"x":1})");
  const Trace trace = trace_from_json(parsed(text)).value();
  const Json written = to_json(trace);
  EXPECT_EQ(written.find("spans")->items()[0].find("profile")->find("metadata")->dump().value(), R"({"x":1})");
  EXPECT_EQ(written.find("spans")->items()[0].find("metadata")->dump().value(), "{}");
}

TEST(TraceJson, TheOlderListOfMissingKindsBecomesEntriesWithAReason) {
  std::string text(kOlderForm);
  text.replace(text.rfind("{}"), 2,
               R"({"missing_requested_artifacts":["logits"],"unsupported_requested_artifacts":[]})");
  const auto trace = trace_from_json(parsed(text));
  VB_ASSERT_OK(trace);
  ASSERT_EQ(trace->missing().size(), 1u);
  EXPECT_EQ(trace->missing()[0].kind, ArtifactKind::logits);
  EXPECT_FALSE(trace->missing()[0].reason.empty());
}

TEST(TraceJson, AcceptsUnknownDeviceKinds) {
  std::string text(kOlderForm);
  text.replace(text.find("\"cpu\""), 5, "\"npu9\"");
  const auto trace = trace_from_json(parsed(text));
  VB_ASSERT_OK(trace);
  EXPECT_EQ(trace->parts().device.kind, "npu9");
}

struct Fault {
  std::string from, to, says;
};

TEST(TraceJson, RefusesWhatItDoesNotKnow) {
  const std::string good = text_of(Trace::make(rich_parts()).value());
  const std::vector<Fault> faults{
      {R"("backend":)", R"("backnd":)", "did you mean 'backend'?"},
      {R"("kind":"logits")", R"("kind":"logit")", "did you mean 'logits'?"},
      {R"("site":"resid_post")", R"("site":"resid")", "name of a site"},
      {R"("level":"partial")", R"("level":"half")", "support level"},
      {R"("numerics":"native")", R"("numerics":"double")", "numerics mode"},
      {R"("duration_s":1.5)", R"("duration_s":"1.5")", "duration_s"},
      {R"("fire_count":2)", R"("fire_count":2.5)", "fire_count"},
      {R"("layer":1)", R"("layer":-1)", "layer number >= 0"},
      {R"("batch_size":1)", R"("batch_size":"one")", "batch_size"},
      {R"("shape":[3,8])", R"("shape":[3,"8"])", "expected integers"},
      {R"("id":"t1")", R"("id":null)", "'id'"},
      {R"("schema_version":1)", R"("schema_version":2)", "schema_version 1"},
      {R"(["logprobs"])", R"(["logits"])", "does not name the kinds"},
      {R"("producer_span_id":"span.1.prefill")", R"("producer_span_id":"span.0.tokenize")", "its producer must be"},
  };
  for (const Fault& fault : faults) {
    std::string text = good;
    ASSERT_NE(text.find(fault.from), std::string::npos) << fault.from;
    text.replace(text.find(fault.from), fault.from.size(), fault.to);
    const auto trace = trace_from_json(parsed(text));
    ASSERT_FALSE(trace) << fault.to;
    EXPECT_NE(describe(trace.error()).find(fault.says), std::string::npos) << describe(trace.error());
    EXPECT_TRUE(trace.error().code == ErrorCode::corrupt || trace.error().code == ErrorCode::unsupported);
  }
  EXPECT_FALSE(trace_from_json(Json::array()));
  EXPECT_FALSE(trace_from_json(Json()));
}

TEST(StableDigest, SkipsVolatileValuesAndNothingElse) {
  const std::string digest = stable_digest(Trace::make(rich_parts()).value()).value();
  TraceParts same = rich_parts();
  same.spans[0].profile->duration_s = 99;
  same.spans[1].profile->memory_bytes = 123456;
  same.model.path = "/elsewhere";
  same.metadata["started_utc"] = "2026-01-02T03:04:05Z";
  EXPECT_EQ(stable_digest(Trace::make(same).value()).value(), digest);
  TraceParts other = rich_parts();
  other.artifacts[1].digest[0] = '3';
  EXPECT_NE(stable_digest(Trace::make(other).value()).value(), digest);
  other = rich_parts();
  other.missing.pop_back();
  EXPECT_NE(stable_digest(Trace::make(other).value()).value(), digest);
}

TEST(StableDigest, ReportsANumberThatJsonCannotHold) {
  TraceParts parts = rich_parts();
  parts.artifacts[1].summary["mean"] = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(stable_digest(Trace::make(parts).value()));
}

TEST(RequestJson, RoundTripsEveryField) {
  TraceRequest request = test::request();
  request.apply_chat_template = true;
  request.add_special = false;
  request.sampling = {0.7, 40, 0.9, 0.05, 1.1, 32, std::numeric_limits<std::uint64_t>::max(), 3, 16, {"\n"}, true};
  Want want = test::want(ArtifactKind::activation, Site::q, Form::payload);
  want.layers = {1, 3};
  want.positions = positions_from("2-5").value();
  want.moment = Moment::before;
  want.dtype = "f16";
  Want top = test::want(ArtifactKind::logprobs, Site::logprobs, Form::top_k);
  top.top_k = 20;
  request.want = {want, top, test::want(ArtifactKind::text, Site::resid_post)};
  Intervention edit;
  edit.name = "ablate";
  edit.layers = {2};
  edit.positions = positions_from("1,4").value();
  edit.primitive = {PrimitiveMode::conditional, {0.5, -1}, 1, 0.1, -1, 2, {1, 0}, 0.25, PrimitiveMode::clamp, {3}};
  edit.direction_digest = std::string(64, 'd');
  request.interventions = {edit};
  request.leave_out = {"score"};
  request.metadata = Json::object({{"prompt_id", "p1"}});
  const std::string text = to_json(request).dump().value();
  const auto again = request_from_json(parsed(text));
  VB_ASSERT_OK(again);
  EXPECT_EQ(to_json(*again).dump().value(), text);
  EXPECT_EQ(again->sampling.seed, request.sampling.seed);
  EXPECT_EQ(again->want[0].positions, want.positions);
  EXPECT_EQ(again->want[0].moment, Moment::before);
  EXPECT_EQ(again->interventions[0].primitive.inner, PrimitiveMode::clamp);
  EXPECT_EQ(again->interventions[0].primitive.direction, edit.primitive.direction);
}

TEST(RequestJson, RefusesUnknownKeysWordsAndNumbersOutOfRange) {
  const std::string good = to_json(test::request()).dump().value();
  const std::vector<Fault> faults{
      {R"("leave_out":)", R"("leave_outs":)", "did you mean 'leave_out'?"},
      {R"("seed":0)", R"("seed":-1)", "seed >= 0"},
      {R"("seed":0)", R"("seed":"99999999999999999999999")", "seed of 64 bits"},
      {R"("sample":0)", R"("sample":4294967296)", "32 bits"},
      {R"("prompt_ids":[1,2,3])", R"("prompt_ids":[1,3000000000])", "32 bits"},
      {R"("want":[])", R"("want":[{"kind":"activation","site":"qq"}])", "want[0]"},
      {R"("want":[])", R"("want":[{"kind":"activation","positions":"7-3"}])", "end lies before"},
      {R"("interventions":[])", R"("interventions":[{"name":"x","site":"q","primitive":{"mode":"rotate"}}])", "rotate"},
  };
  for (const Fault& fault : faults) {
    std::string text = good;
    ASSERT_NE(text.find(fault.from), std::string::npos) << fault.from << " in " << text;
    text.replace(text.find(fault.from), fault.from.size(), fault.to);
    const auto request = request_from_json(parsed(text));
    ASSERT_FALSE(request) << fault.to;
    EXPECT_NE(describe(request.error()).find(fault.says), std::string::npos) << describe(request.error());
  }
}

TEST(CapabilityJson, IsWhole) {
  Capability capability = full_capability();
  capability.mutable_weights = {SupportLevel::unsupported, "weights are mapped read-only"};
  capability.profile_sync_points = {SupportLevel::unsupported, "no device queue"};
  capability.site_limits[Site::attn_scores] = {SupportLevel::unsupported, "fused"};
  const Json json = to_json(capability);
  EXPECT_EQ(json.find("artifact_support")->size(), static_cast<std::size_t>(kArtifactKindCount));
  for (const std::string_view key : {"logits", "logprobs", "activations", "interventions", "kv_cache", "weight_access"})
    EXPECT_EQ(json.find(key)->as_string(), "full") << key;
  EXPECT_EQ(json.find("mutable_weights")->as_string(), "unsupported");
  EXPECT_FALSE(json.find("can_mutate_weights")->as_bool());
  EXPECT_TRUE(json.find("can_profile_device_memory")->as_bool());
  EXPECT_FALSE(json.find("can_profile_sync_points")->as_bool());
  EXPECT_TRUE(json.find("can_emit_text")->as_bool());
  EXPECT_EQ(json.find("reasons")->find("mutable_weights")->as_string(), "weights are mapped read-only");
  EXPECT_EQ(json.find("artifact_support")->find("profile")->as_string(), "partial");
  EXPECT_NE(json.find("artifact_reasons")->find("profile")->as_string().find("no device queue"), std::string::npos);
  EXPECT_EQ(json.find("site_limits")->find("attn_scores")->find("reason")->as_string(), "fused");
}

TEST(ReportSummary, HasTheKeysThatReportsEmbed) {
  TraceParts parts = rich_parts();
  parts.artifacts[2].shape = {{3, 32}};
  parts.artifacts.push_back(test::artifact("activation.q.layer_0", ArtifactKind::activation, "span.1.prefill"));
  parts.artifacts.back().site = Site::q;
  parts.artifacts.back().layer = 0;
  parts.artifacts.back().shape = {{3, 2, 4}};
  parts.artifacts.push_back(test::artifact("intervention.0", ArtifactKind::intervention_result, "span.1.prefill"));
  parts.artifacts.back().metadata = Json::object({{"name", "ablate"}, {"layer_index", 1}});
  const Json json = report_summary(Trace::make(parts).value());
  EXPECT_EQ(json.find("logits_shape")->dump().value(), "[3,32]");
  EXPECT_TRUE(json.find("logprobs_shape")->is_null());
  EXPECT_EQ(json.find("activation_shapes")->dump().value(), R"({"1":[3,8],"q.0":[3,2,4]})");
  EXPECT_EQ(json.find("interventions")->items()[0].find("name")->as_string(), "ablate");
  EXPECT_EQ(json.find("profile")->size(), 2u);
  EXPECT_EQ(json.find("spans")->size(), 2u);
  EXPECT_EQ(json.find("artifacts")->size(), 5u);
  EXPECT_EQ(json.find("missing")->size(), 2u);
  EXPECT_DOUBLE_EQ(json.find("profile_summary")->find("total_duration_s")->as_double(), 2.0);
  EXPECT_EQ(json.find("device")->find("label")->as_string(), "cpu:0");
}

}  // namespace
}  // namespace vauban
