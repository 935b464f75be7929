#include "trace/observe_spec.h"

#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

TEST(ObserveSpec, ReadsTheExamplesOfTheCommandLine) {
  const auto wants =
      parse_observe("resid_post:all:payload,attn_pattern:0-3:summary@last,logprobs:top20,logits:payload@2-5");
  VB_ASSERT_OK(wants);
  ASSERT_EQ(wants->size(), 4u);
  EXPECT_EQ((*wants)[0].site, Site::resid_post);
  EXPECT_EQ((*wants)[0].kind, ArtifactKind::activation);
  EXPECT_EQ((*wants)[0].form, Form::payload);
  EXPECT_EQ((*wants)[0].dtype, "f32");
  EXPECT_TRUE((*wants)[0].layers.empty());
  EXPECT_EQ((*wants)[0].positions, Positions{});
  EXPECT_EQ((*wants)[1].layers, (std::vector<int>{0, 1, 2, 3}));
  EXPECT_EQ((*wants)[1].positions.kind, Positions::Kind::last);
  EXPECT_EQ((*wants)[2].kind, ArtifactKind::logprobs);
  EXPECT_EQ((*wants)[2].form, Form::top_k);
  EXPECT_EQ((*wants)[2].top_k, 20);
  EXPECT_EQ((*wants)[3].kind, ArtifactKind::logits);
  EXPECT_EQ((*wants)[3].positions.to_string(), "2-5");
}

TEST(ObserveSpec, EverySpecReadsBackWhatItSays) {
  for (const std::string spec :
       {"resid_post:all:summary", "q:3:payload", "k_rot:0-3:payload_f16@decode", "final_norm_out:payload",
        "logits:top5@last", "logprobs:summary@7", "attn_scores:2:payload@0-9", "kv_pages:summary", "sampled_id:payload",
        "projections:summary", "projections:payload"}) {
    const auto want = parse_observe_spec(spec);
    VB_ASSERT_OK(want);
    EXPECT_EQ(observe_spec(*want), spec);
  }
}

TEST(ObserveSpec, SaysNothingForAWantOutsideTheLanguage) {
  Want want = parse_observe_spec("resid_post:0-3:summary").value();
  want.layers = {0, 2};
  EXPECT_EQ(observe_spec(want), "");
  want.layers.clear();
  want.moment = Moment::before;
  EXPECT_EQ(observe_spec(want), "");
}

struct Refusal {
  std::string text, says;
};

TEST(ObserveSpec, RefusalsSayWhatWasExpected) {
  const std::vector<Refusal> refusals{
      {"", "expected the name of a site"},
      {"resid_pos:all:summary", "did you mean 'resid_post'?"},
      {"resid_post:summary", "'resid_post:layers:form'"},
      {"logits:all:payload", "this site has no layers"},
      {"resid_post:all:sumary", "did you mean 'summary'?"},
      {"resid_post:all:top5", "topN is for logits and logprobs"},
      {"logits:top", "'top' and a number"},
      {"logits:top0", "'top1' or more"},
      {"logits:top-3", "'top' and a number"},
      {"resid_post:3-1:summary", "the first layer before the last"},
      {"resid_post:-1:summary", "layers 'all'"},
      {"resid_post:x:summary", "layers 'all'"},
      {"resid_post:0-99999999:summary", "a number up to"},
      {"resid_post:all:summary@", "expected positions"},
      {"resid_post:all:summary@first", "expected positions"},
      {"resid_post:all:summary,", "expected the name of a site"},
      {"resid_post:all:summary,resid_post:0:summary", "ask for the same"},
      {"resid_post:all:summary:x", "resid_post:layers:form"},
      {"projections:top5", "'summary' or 'payload'"},
      {"projections:payload@last", "'summary' or 'payload'"},
      {"projections:summary,projections:summary", "ask for the same"},
  };
  for (const Refusal& refusal : refusals) {
    const auto wants = parse_observe(refusal.text);
    ASSERT_FALSE(wants) << refusal.text;
    EXPECT_EQ(wants.error().code, ErrorCode::invalid_input);
    EXPECT_NE(describe(wants.error()).find(refusal.says), std::string::npos)
        << refusal.text << " -> " << describe(wants.error());
  }
}

TEST(ObserveSpec, TwoFormsOfOneSiteAreNotARepetition) {
  VB_EXPECT_OK(parse_observe("logprobs:top20,logprobs:payload@last"));
  VB_EXPECT_OK(parse_observe("resid_post:0:summary,resid_post:1:summary"));
}

}  // namespace
}  // namespace vauban
