#include "trace/wants.h"

#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <limits>

#include "base/result.h"
#include "support/test_data.h"
#include "trace/capability.h"
#include "trace/trace_samples.h"

namespace vauban {
namespace {

using test::full_capability;
using test::request;
using test::want;

struct BadRequest {
  std::string says;
  std::function<void(TraceRequest&)> plant;
};

Want with_layers(Want want, std::vector<int> layers) {
  want.layers = std::move(layers);
  return want;
}

Intervention edit() {
  Intervention made;
  made.name = "ablate";
  made.primitive.direction = {1, 0};
  return made;
}

TEST(TraceRequest, TheSampleIsValid) {
  VB_EXPECT_OK(validate(request()));
  TraceRequest full = request();
  full.want = {want(ArtifactKind::activation, Site::q), want(ArtifactKind::text, Site::resid_post)};
  full.interventions = {edit()};
  full.leave_out = {"score", "emit"};
  VB_EXPECT_OK(validate(full));
}

TEST(TraceRequest, RefusesEachFaultNamingTheField) {
  const Want residual = want(ArtifactKind::activation, Site::resid_post);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<BadRequest> faults{
      {"trace_id", [](TraceRequest& r) { r.trace_id = " "; }},
      {"found neither", [](TraceRequest& r) { r.prompt_ids.clear(); }},
      {"found both", [](TraceRequest& r) { r.input_text = "x"; }},
      {"only blanks", [](TraceRequest& r) { r.prompt_ids.clear(), r.input_text = " \n"; }},
      {"expected UTF-8", [](TraceRequest& r) { r.prompt_ids.clear(), r.input_text = "\xff"; }},
      {"prompt_ids[1]", [](TraceRequest& r) { r.prompt_ids[1] = -4; }},
      {"temperature", [](TraceRequest& r) { r.sampling.temperature = -0.1; }},
      {"temperature", [=](TraceRequest& r) { r.sampling.temperature = nan; }},
      {"top_k", [](TraceRequest& r) { r.sampling.top_k = -1; }},
      {"top_p", [](TraceRequest& r) { r.sampling.top_p = 0; }},
      {"top_p", [](TraceRequest& r) { r.sampling.top_p = 1.5; }},
      {"min_p", [](TraceRequest& r) { r.sampling.min_p = 1; }},
      {"repetition_penalty", [](TraceRequest& r) { r.sampling.repetition_penalty = 0; }},
      {"repetition_window", [](TraceRequest& r) { r.sampling.repetition_window = -1; }},
      {"max_tokens", [](TraceRequest& r) { r.sampling.max_tokens = -1; }},
      {"stop[0]", [](TraceRequest& r) { r.sampling.stop = {""}; }},
      {"yields artifacts of kind 'logits'",
       [](TraceRequest& r) { r.want = {want(ArtifactKind::activation, Site::logits)}; }},
      {"yields artifacts of kind 'activation'",
       [](TraceRequest& r) { r.want = {want(ArtifactKind::logits, Site::resid_post)}; }},
      {"has no layers", [](TraceRequest& r) { r.want = {with_layers(want(ArtifactKind::logits, Site::logits), {0})}; }},
      {"numbers >= 0", [=](TraceRequest& r) { r.want = {with_layers(residual, {-1})}; }},
      {"no layer twice",
       [=](TraceRequest& r) {
         r.want = {with_layers(residual, {1, 1})};
       }},
      {"0 <= begin <= end",
       [=](TraceRequest& r) {
         r.want = {residual};
         r.want[0].positions.kind = Positions::Kind::range;
         r.want[0].positions.begin = 4;
       }},
      {"at least one in the list",
       [=](TraceRequest& r) {
         r.want = {residual};
         r.want[0].positions.kind = Positions::Kind::list;
       }},
      {"top_k is for", [=](TraceRequest& r) { r.want = {residual}, r.want[0].form = Form::top_k; }},
      {"expected >= 1", [](TraceRequest& r) { r.want = {want(ArtifactKind::logits, Site::logits, Form::top_k)}; }},
      {"'f32' or 'f16'", [=](TraceRequest& r) { r.want = {residual}, r.want[0].dtype = "bf16"; }},
      {"ask for the same",
       [=](TraceRequest& r) {
         r.want = {residual, with_layers(residual, {3})};
       }},
      {"name: expected text", [](TraceRequest& r) { r.interventions = {edit()}, r.interventions[0].name = ""; }},
      {"expected a direction", [](TraceRequest& r) { r.interventions = {edit()}, r.interventions[0].primitive = {}; }},
      {"finite alpha", [=](TraceRequest& r) { r.interventions = {edit()}, r.interventions[0].primitive.alpha = nan; }},
      {"leave_out", [](TraceRequest& r) { r.leave_out = {"prefill"}; }},
      {"no stage twice",
       [](TraceRequest& r) {
         r.leave_out = {"score", "score"};
       }},
      {"metadata", [](TraceRequest& r) { r.metadata = Json(1); }},
  };
  for (const BadRequest& fault : faults) {
    TraceRequest bad = request();
    fault.plant(bad);
    const auto checked = validate(bad);
    ASSERT_FALSE(checked) << fault.says;
    EXPECT_EQ(checked.error().code, ErrorCode::invalid_input);
    EXPECT_NE(describe(checked.error()).find(fault.says), std::string::npos) << describe(checked.error());
  }
}

TEST(Capability, MapsEachKindToItsField) {
  Capability capability = full_capability();
  capability.weight_access = {SupportLevel::partial, "digests only"};
  capability.text = {SupportLevel::unsupported, "no tokenizer"};
  EXPECT_EQ(capability.artifact(ArtifactKind::weight_snapshot).reason, "digests only");
  EXPECT_EQ(capability.artifact(ArtifactKind::text).level, SupportLevel::unsupported);
  EXPECT_EQ(capability.artifact(ArtifactKind::metric).level, SupportLevel::full);
  EXPECT_EQ(capability.artifact(ArtifactKind::profile).level, SupportLevel::full);
}

TEST(Capability, AnswersForTheSevenNamesOnly) {
  EXPECT_EQ(capability_fields().size(), 7u);
  EXPECT_EQ(support_of(full_capability(), "kv_cache").value().level, SupportLevel::full);
  EXPECT_FALSE(support_of(full_capability(), "gradients"));
}

TEST(Capability, NeedsDeviceKindsAndReasons) {
  VB_EXPECT_OK(validate(full_capability()));
  Capability no_device = full_capability();
  no_device.device_kinds.clear();
  EXPECT_FALSE(validate(no_device));
  Capability no_reason = full_capability();
  no_reason.logprobs.level = SupportLevel::partial;
  EXPECT_FALSE(validate(no_reason));
  Capability no_site_reason = full_capability();
  no_site_reason.site_limits[Site::z].level = SupportLevel::unsupported;
  EXPECT_FALSE(validate(no_site_reason));
}

TEST(FindMissing, EveryUnansweredWantYieldsAnEntryWithAReason) {
  TraceRequest asked = request();
  asked.want = {want(ArtifactKind::activation, Site::resid_post), want(ArtifactKind::logprobs, Site::logprobs),
                want(ArtifactKind::activation, Site::attn_scores), want(ArtifactKind::text, Site::resid_post)};
  asked.want[2].layers = {0};
  Capability capability = full_capability();
  capability.site_limits[Site::attn_scores] = {SupportLevel::unsupported, "fused attention path has no scores"};
  const auto parts = test::trace_parts();  // holds resid_post of layer 1
  const auto missing = find_missing(asked, capability, parts.artifacts, 3);
  ASSERT_EQ(missing.size(), 5u);
  EXPECT_EQ(missing[0].layer, 0);
  EXPECT_EQ(missing[1].layer, 2);
  EXPECT_EQ(missing[2].kind, ArtifactKind::logprobs);
  EXPECT_FALSE(missing[2].unsupported);
  EXPECT_TRUE(missing[3].unsupported);
  EXPECT_EQ(missing[3].reason, "fused attention path has no scores");
  EXPECT_EQ(missing[4].kind, ArtifactKind::text);
  EXPECT_FALSE(missing[4].site);
  for (const Missing& entry : missing) EXPECT_FALSE(entry.reason.empty());
}

TEST(FindMissing, KeepsWhatIsKnownAndDoesNotRepeatIt) {
  TraceRequest asked = request();
  asked.want = {want(ArtifactKind::logits, Site::logits)};
  const std::vector<Missing> known{{ArtifactKind::logits, Site::logits, std::nullopt, "the disk was full", false}};
  const auto missing = find_missing(asked, full_capability(), {}, 2, known);
  ASSERT_EQ(missing.size(), 1u);
  EXPECT_EQ(missing[0].reason, "the disk was full");
}

TEST(FindMissing, TellsAStageThatTheConfigurationLeavesOut) {
  TraceRequest asked = request();
  asked.want = {want(ArtifactKind::logits, Site::logits)};
  asked.leave_out = {"observe"};
  EXPECT_NE(find_missing(asked, full_capability(), {}, 2)[0].reason.find("leaves"), std::string::npos);
}

TEST(FindMissing, AValueAfterTheInterventionDoesNotAnswerForTheOneBefore) {
  TraceRequest asked = request();
  asked.want = {with_layers(want(ArtifactKind::activation, Site::resid_post), {1})};
  const auto parts = test::trace_parts();
  EXPECT_TRUE(find_missing(asked, full_capability(), parts.artifacts, 2).empty());
  asked.want[0].moment = Moment::before;
  EXPECT_EQ(find_missing(asked, full_capability(), parts.artifacts, 2).size(), 1u);
}

TEST(FindMissing, NamesALayerThatTheModelDoesNotHave) {
  TraceRequest asked = request();
  asked.want = {with_layers(want(ArtifactKind::activation, Site::resid_post), {7})};
  EXPECT_NE(find_missing(asked, full_capability(), {}, 2)[0].reason.find("2 layers"), std::string::npos);
}

}  // namespace
}  // namespace vauban
