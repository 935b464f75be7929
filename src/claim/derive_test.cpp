#include "claim/derive.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "claim/ladder.h"
#include "support/test_data.h"

namespace vauban {
namespace {

static_assert(!std::is_default_constructible_v<Claim>, "only derive_claims may make a claim");

MetricDelta changed_delta(std::string name, ArtifactKind kind, bool paired) {
  return {.name = std::move(name), .category = "overall", .unit = "ratio", .value_baseline = paired ? 0.0 : 0.1,
          .value_candidate = 0.5, .delta = paired ? 0.5 : 0.4, .quality = "regressed",
          .stats = {.test = "t", .estimate = 0.4, .p = 0.001, .p_adjusted = 0.01, .ci = Interval{0.2, 0.6}, .n = 50},
          .verdict = Verdict::changed, .paired_metric = paired, .needs = {kind}, .evidence_ids = {"rows.baseline"}};
}

Evidence text_only() {
  Evidence evidence{.pairs = 50, .planned_pairs = 50, .deltas = {changed_delta("refusal_rate", ArtifactKind::text, false)}};
  evidence.presence[ArtifactKind::text] = {50, 50};
  return evidence;
}

Evidence with_logits() {
  Evidence evidence = text_only();
  evidence.deltas.push_back(changed_delta("mean_kld", ArtifactKind::logits, true));
  evidence.presence[ArtifactKind::logits] = {50, 50};
  return evidence;
}

TEST(Claims, TextOnlyNeverYieldsMoreThanABlackBoxDiff) {
  EXPECT_EQ(computed_strength(text_only()), Strength::black_box_behavioral_diff);
  const auto set = derive_claims(text_only());
  VB_ASSERT_OK(set);
  for (const Claim& claim : set->claims) EXPECT_LE(claim.strength(), Strength::black_box_behavioral_diff);
  EXPECT_NE(set->lifted_by.find("distributional_diff"), std::string::npos);
}

TEST(Claims, LogitsOnOneSideDoNotCount) {
  Evidence evidence = with_logits();
  evidence.presence[ArtifactKind::logits] = {50, 0};
  EXPECT_EQ(computed_strength(evidence), Strength::black_box_behavioral_diff);
}

TEST(Claims, HashedWeightsWithoutAMetricAreNoWeightDiff) {
  Evidence evidence = with_logits();
  evidence.presence[ArtifactKind::weight_snapshot] = {1, 1};
  EXPECT_EQ(computed_strength(evidence), Strength::distributional_diff);
}

TEST(Claims, AMetricWithoutArtifactsDoesNotCount) {
  Evidence evidence = text_only();
  evidence.deltas.push_back(changed_delta("mean_kld", ArtifactKind::logits, true));
  EXPECT_EQ(computed_strength(evidence), Strength::black_box_behavioral_diff);
}

TEST(Claims, TheWholeLadderIsReachable) {
  Evidence evidence = with_logits();
  evidence.deltas.push_back(changed_delta("w", ArtifactKind::weight_snapshot, true));
  evidence.presence[ArtifactKind::weight_snapshot] = {1, 1};
  EXPECT_EQ(computed_strength(evidence), Strength::weight_diff);
  evidence.deltas.push_back(changed_delta("a", ArtifactKind::activation, true));
  evidence.presence[ArtifactKind::activation] = {5, 5};
  EXPECT_EQ(computed_strength(evidence), Strength::model_change_audit);
}

TEST(Claims, NothingInCommonIsOnlyAProfile) {
  Evidence evidence = text_only();
  evidence.pairs = 0;
  const auto set = derive_claims(evidence);
  VB_ASSERT_OK(set);
  EXPECT_EQ(set->level, Strength::behavioral_profile);
  EXPECT_TRUE(set->claims.empty());
}

TEST(Claims, AConfigurationMayOnlyLowerTheLevel) {
  const auto raised = derive_claims(text_only(), Strength::model_change_audit);
  ASSERT_FALSE(raised);
  EXPECT_EQ(raised.error().code, ErrorCode::invalid_input);
  EXPECT_NE(describe(raised.error()).find("distributional_diff"), std::string::npos) << describe(raised.error());
  const auto lowered = derive_claims(with_logits(), Strength::black_box_behavioral_diff);
  VB_ASSERT_OK(lowered);
  EXPECT_EQ(lowered->level, Strength::black_box_behavioral_diff);
  for (const Claim& claim : lowered->claims) EXPECT_NE(claim.metric(), "mean_kld");
}

TEST(Claims, OnlyDecidedDeltasBecomeClaims) {
  Evidence evidence = text_only();
  evidence.deltas[0].verdict = Verdict::within_mde;
  EXPECT_TRUE(derive_claims(evidence)->claims.empty());
  evidence.deltas[0].verdict = Verdict::inconclusive;
  EXPECT_TRUE(derive_claims(evidence)->claims.empty());
}

TEST(Claims, CarryNumbersLimitsEvidenceAndWhatWouldLiftThem) {
  const auto set = derive_claims(with_logits());
  VB_ASSERT_OK(set);
  ASSERT_EQ(set->claims.size(), 2u);
  const Claim& claim = set->claims[0];
  EXPECT_EQ(claim.n(), 50);
  EXPECT_EQ(claim.effect(), 0.4);
  EXPECT_FALSE(claim.evidence().empty());
  EXPECT_FALSE(claim.limits().empty());
  EXPECT_NE(claim.statement().find("rose from 0.1 to 0.5"), std::string::npos) << claim.statement();
  EXPECT_EQ(set->claims[1].strength(), Strength::distributional_diff);
  EXPECT_FALSE(set->claims[1].lifted_by().empty());
}

TEST(Claims, EveryRungSaysWhatItMayAndMayNotSay) {
  for (const Rung& row : ladder()) {
    EXPECT_FALSE(row.can_say.empty()) << to_string(row.strength);
    EXPECT_FALSE(row.cannot_say.empty()) << to_string(row.strength);
    EXPECT_EQ(strength_from(to_string(row.strength)).value(), row.strength);
  }
  EXPECT_FALSE(strength_from("certainty"));
}

}  // namespace
}  // namespace vauban
