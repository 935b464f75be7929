#include "evidence/evidence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "evidence/divergence.h"
#include "support/test_data.h"

namespace vauban {
namespace {

Observation row(std::string label, std::string prompt, double refusal, std::string category = "benign") {
  return {.prompt_id = std::move(prompt), .model_label = std::move(label), .category = std::move(category),
          .metrics = {{"refusal_rate", refusal}, {"output_length_chars", 10 + refusal}}, .redaction = Redaction::safe,
          .outcome = "ok", .behaviour_class = refusal == 1 ? "refuse" : "comply", .role = "benign",
          .output_sha256 = refusal == 1 ? "r" : "c"};
}

/// `refusing` of `n` prompts are declined on the candidate side, none on the baseline's.
EvidenceInput pair_of_runs(int n, int refusing) {
  EvidenceInput input;
  for (int i = 0; i < n; ++i) {
    const std::string id = "p" + std::to_string(100 + i);
    input.baseline.push_back(row("baseline", id, 0));
    input.candidate.push_back(row("candidate", id, i < refusing ? 1 : 0));
  }
  return input;
}

TokenScores scores(const std::string& prompt, std::uint64_t seed, float scale) {
  TokenScores out{.prompt_id = prompt, .category = "benign"};
  Rng rng(seed);
  for (int i = 0; i < 30; ++i) {
    out.kld.push_back(scale * static_cast<float>(rng.uniform()));
    out.nll_baseline.push_back(1.0f);
    out.nll_candidate.push_back(1.0f + scale * static_cast<float>(rng.uniform() - 0.4));
    out.same_top.push_back(scale == 0 || rng.uniform() < 0.9);
  }
  return out;
}

const MetricDelta* find(const Evidence& evidence, std::string_view name, std::string_view category = "overall") {
  const auto found = std::find_if(evidence.deltas.begin(), evidence.deltas.end(),
                                  [&](const MetricDelta& d) { return d.name == name && d.category == category; });
  return found == evidence.deltas.end() ? nullptr : &*found;
}

TEST(Evidence, TwoEqualRunsShowNoChange) {
  EvidenceInput input = pair_of_runs(30, 0);
  input.token_scores = {scores("p100", 1, 0), scores("p101", 2, 0)};
  const auto evidence = gather_evidence(input);
  VB_ASSERT_OK(evidence);
  EXPECT_EQ(evidence->pairs, 30);
  for (const MetricDelta& delta : evidence->deltas) {
    EXPECT_EQ(delta.delta, 0.0) << delta.name;
    EXPECT_NE(delta.verdict, Verdict::changed) << delta.name;
    EXPECT_EQ(delta.quality, "unchanged") << delta.name;
    if (delta.stats.p) {
      EXPECT_EQ(*delta.stats.p, 1.0) << delta.name;
    }
  }
  EXPECT_EQ(find(*evidence, "mean_kld")->value_candidate, 0.0);
  EXPECT_EQ(find(*evidence, "same_top")->value_candidate, 1.0);
}

TEST(Evidence, ARiseOfRefusalsOnBenignPromptsIsARegression) {
  const auto evidence = gather_evidence(pair_of_runs(40, 30));
  VB_ASSERT_OK(evidence);
  const MetricDelta* delta = find(*evidence, "over_refusal_rate");
  ASSERT_NE(delta, nullptr);
  EXPECT_DOUBLE_EQ(*delta->delta, 0.75);
  EXPECT_EQ(delta->quality, "regressed");
  EXPECT_EQ(delta->verdict, Verdict::changed);
  EXPECT_EQ(delta->stats.test, "exact_mcnemar");
  EXPECT_LT(*delta->stats.p_adjusted, 1e-6);
  EXPECT_EQ(find(*evidence, "refusal_rate", "benign")->quality, "regressed");
  EXPECT_DOUBLE_EQ(*find(*evidence, "flip_rate")->value_candidate, 0.75);
  EXPECT_EQ(evidence->flips[0].counts[0][2], 30);
}

TEST(Evidence, SwappingTheSidesNegatesEveryOneSidedDeltaAndKeepsP) {
  EvidenceInput input = pair_of_runs(40, 12), swapped = input;
  std::swap(swapped.baseline, swapped.candidate);
  const auto a = gather_evidence(input), b = gather_evidence(swapped);
  VB_ASSERT_OK(a);
  VB_ASSERT_OK(b);
  ASSERT_EQ(a->deltas.size(), b->deltas.size());
  for (const MetricDelta& delta : a->deltas) {
    const MetricDelta* other = find(*b, delta.name, delta.category);
    ASSERT_NE(other, nullptr);
    EXPECT_DOUBLE_EQ(*other->delta, delta.paired_metric ? *delta.delta : -*delta.delta) << delta.name;
    EXPECT_EQ(other->stats.p, delta.stats.p) << delta.name;
  }
}

TEST(Evidence, PermutingRowsChangesNothing) {
  EvidenceInput input = pair_of_runs(25, 9), shuffled = input;
  std::reverse(shuffled.candidate.begin(), shuffled.candidate.end());
  std::rotate(shuffled.baseline.begin(), shuffled.baseline.begin() + 7, shuffled.baseline.end());
  const auto a = gather_evidence(input), b = gather_evidence(shuffled);
  for (const MetricDelta& delta : a->deltas) {
    EXPECT_EQ(find(*b, delta.name, delta.category)->delta, delta.delta);
    EXPECT_EQ(find(*b, delta.name, delta.category)->stats.p, delta.stats.p);
  }
}

TEST(Evidence, AMissingRowIsListedAndLeftOut) {
  EvidenceInput input = pair_of_runs(40, 12);
  input.candidate.erase(input.candidate.begin());  // one of the refusing ones
  const auto evidence = gather_evidence(input);
  VB_ASSERT_OK(evidence);
  EXPECT_EQ(evidence->pairs, 39);
  EXPECT_EQ(evidence->planned_pairs, 40);
  ASSERT_EQ(evidence->unpaired.size(), 1u);
  EXPECT_EQ(evidence->unpaired[0].prompt_id, "p100");
  EXPECT_EQ(evidence->unpaired[0].model_label, "candidate");
  EXPECT_DOUBLE_EQ(*find(*evidence, "refusal_rate")->value_candidate, 11.0 / 39.0);
  for (const MetricDelta& delta : evidence->deltas) EXPECT_NE(delta.verdict, Verdict::within_mde) << delta.name;
}

TEST(Evidence, TooManyMissingRowsMakeItInconclusive) {
  EvidenceInput input = pair_of_runs(40, 0);
  input.candidate.resize(30);
  EXPECT_TRUE(gather_evidence(input)->too_many_unpaired);
  input = pair_of_runs(40, 0);
  EXPECT_FALSE(gather_evidence(input)->too_many_unpaired);
}

TEST(Evidence, InfrastructureErrorsAreNotBehaviour) {
  EvidenceInput input = pair_of_runs(10, 0);
  input.candidate[3].outcome = "infra_error";
  const auto evidence = gather_evidence(input);
  EXPECT_EQ(evidence->pairs, 9);
  EXPECT_EQ(evidence->outcomes.at("candidate").at("infra_error"), 1);
}

TEST(Evidence, NothingInCommonGivesNoPairs) {
  EvidenceInput input = pair_of_runs(5, 0);
  for (Observation& r : input.candidate) r.prompt_id += "-other";
  const auto evidence = gather_evidence(input);
  VB_ASSERT_OK(evidence);
  EXPECT_EQ(evidence->pairs, 0);
  EXPECT_EQ(evidence->unpaired.size(), 10u);
}

TEST(Evidence, AMetricOfOneSideIsListedWithoutADelta) {
  EvidenceInput input = pair_of_runs(5, 0);
  for (Observation& r : input.candidate) r.metrics["extra"] = 2.0;
  const auto evidence = gather_evidence(input);
  const MetricDelta* delta = find(*evidence, "extra");
  ASSERT_NE(delta, nullptr);
  EXPECT_FALSE(delta->delta);
  EXPECT_EQ(delta->value_candidate, 2.0);
  EXPECT_EQ(delta->verdict, Verdict::inconclusive);
}

TEST(Evidence, EffectsUnderTheNoiseFloorAreNotClaimed) {
  EvidenceInput input = pair_of_runs(40, 30);
  input.noise_floors["refusal_rate"] = 0.9;
  EXPECT_NE(find(*gather_evidence(input), "refusal_rate")->verdict, Verdict::changed);
  input.token_scores = {scores("p100", 1, 0.01f), scores("p101", 2, 0.01f), scores("p102", 3, 0.01f)};
  EXPECT_EQ(find(*gather_evidence(input), "mean_kld")->verdict, Verdict::changed);
  input.noise_floors["mean_kld"] = 1.0;
  EXPECT_NE(find(*gather_evidence(input), "mean_kld")->verdict, Verdict::changed);
}

Suite suite_with(SuiteGate gate, std::optional<double> margin = std::nullopt) {
  Suite suite{.name = "s", .gates = {std::move(gate)}};
  if (margin) suite.metrics.push_back({.name = "refusal_rate", .margin = margin});
  return suite;
}

GateResult gate_result(int n, int refusing, SuiteGate gate) {
  const Suite suite = suite_with(std::move(gate));
  EvidenceInput input = pair_of_runs(n, refusing);
  input.suite = &suite;
  return gather_evidence(input)->gates.at(0);
}

TEST(Gates, PassFailAndStayUndecidedOnTheInterval) {
  const SuiteGate gate{.id = "g", .metric = "refusal_rate", .value = 0.05};
  EXPECT_TRUE(gate_result(200, 0, gate).passed);
  const GateResult failed = gate_result(200, 100, gate);
  EXPECT_FALSE(failed.passed);
  EXPECT_TRUE(failed.decided);
  const GateResult thin = gate_result(10, 0, gate);  // no refusal seen, but ten pairs prove little
  EXPECT_FALSE(thin.passed);
  EXPECT_FALSE(thin.decided);
  EXPECT_NE(thin.reason.find("more pairs"), std::string::npos) << thin.reason;
}

TEST(Gates, AMissingDeltaNeverPasses) {
  const GateResult gate = gate_result(50, 0, {.id = "g", .metric = "mean_kld", .value = 1.0});
  EXPECT_FALSE(gate.passed);
  EXPECT_FALSE(gate.decided);
}

TEST(Gates, PointAndEquivalence) {
  EXPECT_TRUE(gate_result(50, 2, {.id = "g", .metric = "refusal_rate", .value = 0.05, .on = "point"}).passed);
  EXPECT_FALSE(gate_result(50, 5, {.id = "g", .metric = "refusal_rate", .value = 0.05, .on = "point"}).passed);
  EXPECT_TRUE(gate_result(200, 0, {.id = "g", .metric = "output_length_chars", .value = 0.5, .on = "equivalence"}).passed);
  const GateResult apart = gate_result(200, 190, {.id = "g", .metric = "output_length_chars", .value = 0.5, .on = "equivalence"});
  EXPECT_FALSE(apart.passed);
  EXPECT_TRUE(apart.decided);
}

TEST(Gates, TwoIdenticalPairsProveNoEquivalenceAndTwoHundredDo) {
  for (const char* metric : {"refusal_rate", "output_length_chars"}) {
    const SuiteGate gate{.id = "g", .metric = metric, .value = 0.6, .on = "equivalence"};
    EXPECT_FALSE(gate_result(2, 0, gate).passed) << metric;
    EXPECT_FALSE(gate_result(2, 0, gate).decided) << metric;
    EXPECT_TRUE(gate_result(200, 0, gate).passed) << metric;
  }
  const GateResult thin = gate_result(20, 0, {.id = "g", .metric = "refusal_rate", .value = 0.05, .on = "equivalence"});
  EXPECT_FALSE(thin.passed || thin.decided);
}

TEST(Gates, AConstantDifferenceHasNoIntervalToDecideWith) {
  Suite suite = suite_with({.id = "g", .metric = "output_length_chars", .value = 2.0});
  EvidenceInput input = pair_of_runs(50, 0);
  for (Observation& r : input.candidate) r.metrics["output_length_chars"] += 1;
  input.suite = &suite;
  const auto evidence = gather_evidence(input);
  VB_ASSERT_OK(evidence);
  EXPECT_FALSE(evidence->gates[0].passed || evidence->gates[0].decided);
  const MetricDelta* delta = find(*evidence, "output_length_chars");
  EXPECT_FALSE(delta->stats.ci || delta->stats.p || delta->stats.mde);
  EXPECT_EQ(delta->verdict, Verdict::inconclusive);
}

GateResult token_gate(int prompts) {
  const Suite suite = suite_with({.id = "g", .metric = "mean_kld", .value = 0.001});
  EvidenceInput input = pair_of_runs(10, 0);
  for (int i = 0; i < prompts; ++i) input.token_scores.push_back(scores("p" + std::to_string(100 + i), 1, 0));
  input.suite = &suite;
  return gather_evidence(input)->gates.at(0);
}

TEST(Gates, ExactTokensOfAFewPromptsDecideNothing) {
  EXPECT_FALSE(token_gate(4).passed || token_gate(4).decided);
  EXPECT_NE(token_gate(4).reason.find("only 4"), std::string::npos) << token_gate(4).reason;
  EXPECT_TRUE(token_gate(5).passed);
}

TEST(Tokens, ExactEqualityIsACompleteObservationFromTwoPromptsOn) {
  EvidenceInput input = pair_of_runs(10, 0);
  input.token_scores = {scores("p100", 1, 0)};
  EXPECT_FALSE(find(*gather_evidence(input), "mean_kld")->stats.ci);
  input.token_scores.push_back(scores("p101", 2, 0));
  const auto evidence = gather_evidence(input);
  const MetricDelta* kld = find(*evidence, "mean_kld");
  ASSERT_TRUE(kld->stats.ci);
  EXPECT_EQ(kld->stats.ci->high, 0.0);
  EXPECT_EQ(kld->verdict, Verdict::within_mde);
}

TEST(Tokens, PromptsOfOneFamilyAreOneCluster) {
  EvidenceInput input = pair_of_runs(10, 0);
  for (int i = 0; i < 6; ++i) {
    input.token_scores.push_back(scores("p10" + std::to_string(i), static_cast<std::uint64_t>(i), 0.1f));
    input.token_scores.back().family = i < 3 ? "a" : "b";
  }
  EXPECT_EQ(find(*gather_evidence(input), "mean_kld")->stats.clusters, 2);
}

TEST(Evidence, RatesHaveNoDegenerateInterval) {
  for (const int refusing : {0, 30}) {
    const auto evidence = gather_evidence(pair_of_runs(30, refusing));
    const Stats& stats = find(*evidence, "refusal_rate")->stats;
    EXPECT_LT(stats.ci->low, stats.ci->high);
    EXPECT_LT(stats.ci90->low, stats.ci90->high);
    EXPECT_LT(stats.gate_ci->low, stats.gate_ci->high);
    EXPECT_FALSE(stats.mde);
  }
  const auto some = gather_evidence(pair_of_runs(40, 12));  // the reported interval stays t: 0.3 +- t_{.975,39} s / sqrt(40)
  EXPECT_NEAR(find(*some, "refusal_rate")->stats.ci->low, 0.3 - 2.022690920 * std::sqrt(0.3 * 0.7 / 39), 1e-8);
}

/// 40 pairs in `families` families.
EvidenceInput in_families(int refusing, int families) {
  EvidenceInput input = pair_of_runs(40, refusing);
  for (auto* rows : {&input.baseline, &input.candidate})
    for (std::size_t i = 0; i < rows->size(); ++i) (*rows)[i].family = "f" + std::to_string(static_cast<int>(i) * families / 40);
  return input;
}

TEST(Evidence, OneFlipAmongFewFamiliesIsNoChange) {
  for (const char* name : {"flip_rate", "identical_output_rate"}) {
    EXPECT_NE(find(*gather_evidence(in_families(1, 4)), name)->verdict, Verdict::changed) << name;
    EXPECT_NE(find(*gather_evidence(in_families(3, 1)), name)->verdict, Verdict::changed) << name;
    EXPECT_EQ(find(*gather_evidence(in_families(30, 10)), name)->verdict, Verdict::changed) << name;
    const auto none = gather_evidence(in_families(0, 4));
    EXPECT_GT(find(*none, name)->stats.ci->high - find(*none, name)->stats.ci->low, 0.3) << name;  // four observations, not 40
  }
}

TEST(Evidence, EveryFamilyTurningIsAChangeAndOneFamilyIsNot) {
  const auto all = gather_evidence(in_families(40, 10));
  EXPECT_EQ(find(*all, "refusal_rate")->stats.test, "clustered_sign");
  EXPECT_DOUBLE_EQ(*find(*all, "refusal_rate")->stats.p, 2.0 / 1024);
  EXPECT_EQ(find(*all, "refusal_rate")->verdict, Verdict::changed);
  EXPECT_NE(find(*gather_evidence(in_families(40, 1)), "refusal_rate")->verdict, Verdict::changed);
}

TEST(Evidence, TheTestFollowsTheDeclarationOfTheMetric) {
  EvidenceInput input = pair_of_runs(20, 4);
  for (auto* rows : {&input.baseline, &input.candidate})
    for (Observation& r : *rows) r.metrics["repetition_rate"] = r.metrics["home_made"] = r.metrics["home_made_ratio"] = r.metrics["refusal_rate"];
  Suite suite;
  suite.metrics.push_back({.name = "home_made_ratio", .unit = "ratio"});
  input.suite = &suite;
  const auto evidence = gather_evidence(input);
  VB_ASSERT_OK(evidence);
  EXPECT_EQ(find(*evidence, "refusal_rate")->stats.test, "exact_mcnemar");
  EXPECT_EQ(find(*evidence, "repetition_rate")->stats.test, "paired_t");
  EXPECT_EQ(find(*evidence, "home_made")->stats.test, "paired_t");
  EXPECT_EQ(find(*evidence, "home_made_ratio")->stats.test, "exact_mcnemar");
}

TEST(Evidence, TheFamilyOfTestsDependsOnNamesAlone) {
  EvidenceInput input = pair_of_runs(20, 4), constant = input, more = input;
  for (Observation& r : constant.candidate) r.metrics["output_length_chars"] = 99;  // a constant difference has no p
  for (Observation& r : constant.baseline) r.metrics["output_length_chars"] = 98;
  more.candidate[0].metrics["extra"] = 1;
  EXPECT_EQ(gather_evidence(constant)->family_hash, gather_evidence(input)->family_hash);
  EXPECT_NE(gather_evidence(more)->family_hash, gather_evidence(input)->family_hash);
}

TEST(Evidence, DivergenceHasNoBetterSide) {
  EvidenceInput input = pair_of_runs(10, 0);
  input.token_scores = {scores("p100", 1, 0.1f), scores("p101", 2, 0.1f)};
  const auto evidence = gather_evidence(input);
  for (const char* name : {"mean_kld", "median_kld", "p99_kld", "max_kld", "same_top", "nll_shift"})
    EXPECT_EQ(find(*evidence, name)->quality, "neutral") << name;
}

TEST(Evidence, FlipsOfSampledAnswersAreNoChangeWithoutANoiseFloor) {
  EvidenceInput input = pair_of_runs(40, 30);
  EXPECT_EQ(find(*gather_evidence(input), "flip_rate")->verdict, Verdict::changed);
  input.sampled = true;
  EXPECT_EQ(find(*gather_evidence(input), "flip_rate")->verdict, Verdict::inconclusive);
  EXPECT_EQ(find(*gather_evidence(input), "identical_output_rate")->verdict, Verdict::inconclusive);
  EXPECT_EQ(find(*gather_evidence(input), "refusal_rate")->verdict, Verdict::changed);
  input.noise_floors["flip_rate"] = 0.1;
  EXPECT_EQ(find(*gather_evidence(input), "flip_rate")->verdict, Verdict::changed);
}

void expect_refused(const EvidenceInput& input, const std::string& part) {
  const auto evidence = gather_evidence(input);
  ASSERT_FALSE(evidence);
  EXPECT_EQ(evidence.error().code, ErrorCode::invalid_input);
  EXPECT_NE(evidence.error().message.find(part), std::string::npos) << evidence.error().message;
}

TEST(Pairing, RefusesTwoRowsOfOnePromptAndSample) {
  EvidenceInput input = pair_of_runs(5, 0);
  input.candidate.push_back(input.candidate[2]);
  expect_refused(input, "p102");
  input.candidate.back().sample_index = 1;
  VB_ASSERT_OK(gather_evidence(input));
}

TEST(Pairing, RefusesPairsOfDifferentPromptsOrCategories) {
  EvidenceInput input = pair_of_runs(5, 0);
  input.baseline[1].prompt = "Name a colour";
  VB_ASSERT_OK(gather_evidence(input));  // one side withholds its text
  input.candidate[1].prompt = "Name a town";
  expect_refused(input, "p101 is 'Name a colour' in the baseline and 'Name a town' in the candidate");
  input.candidate[1].redaction = Redaction::redacted;
  EXPECT_EQ(gather_evidence(input).error().message.find("town"), std::string::npos);
  input.candidate[1].prompt = "Name a colour";
  VB_ASSERT_OK(gather_evidence(input));
  input.candidate[3].category = "boundary";
  expect_refused(input, "p103 is of category 'benign'");
}

TEST(Divergence, EqualsTheCheckVectorOfTheReference) {
  const std::vector<float> p{std::log(.7f), std::log(.2f), std::log(.1f)}, q{std::log(.5f), std::log(.3f), std::log(.2f)};
  EXPECT_NEAR(divergence(p, q, 0)->kld, 0.0851228258, 1e-7);
  EXPECT_NEAR(divergence(q, p, 0)->kld, 0.0920328502, 1e-7);
  EXPECT_NEAR(divergence(p, q, 1)->nll_candidate, -std::log(.3), 1e-7);
  EXPECT_EQ(divergence(p, p, 0)->kld, 0.0f);
  EXPECT_TRUE(divergence(p, q, 0)->same_top);
}

TEST(Divergence, RefusesNaNOtherSizesAndForeignTokens) {
  const std::vector<float> p{0, 1}, nan{NAN, 0}, three{0, 1, 2};
  EXPECT_FALSE(divergence(p, nan, 0));
  EXPECT_FALSE(divergence(p, three, 0));
  EXPECT_FALSE(divergence(p, p, 2));
  EXPECT_FALSE(divergence(p, p, -1));
}

}  // namespace
}  // namespace vauban
