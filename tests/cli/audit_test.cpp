// Two models compared, from the command line to report.json.
#include <cmath>
#include <set>

#include "base/result.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

/// Gates that only a model which did not change can pass on twelve prompts.
std::string strict_gates() {
  return gate("kld-small", "mean_kld", "max", 0.001, "interval") + gate("same-answers", "flip_rate", "max", 0.0, "point") +
         gate("same-top", "same_top", "min", 0.99, "interval");
}

void expect_no_change(const Json& report) {
  for (const Json& row : at(report, {"metric_deltas"}).items()) {
    EXPECT_EQ(at(row, {"delta"}).as_double(), 0.0) << at(row, {"name"}).as_string();
    EXPECT_TRUE(at(row, {"delta"}).is_number());
    EXPECT_NE(at(row, {"verdict"}).as_string(), "changed") << at(row, {"name"}).as_string();
  }
  EXPECT_EQ(at(report, {"claims"}).size(), 0u);
  EXPECT_EQ(at(report, {"findings"}).size(), 0u);
  const Json& kld = delta_row(report, "mean_kld");
  EXPECT_EQ(at(kld, {"value_candidate"}).as_double(), at(kld, {"noise_floor"}).as_double());
  EXPECT_EQ(at(kld, {"value_candidate"}).as_double(), 0.0);
  EXPECT_GT(at(kld, {"stats", "n"}).as_int(), 100);
}

TEST(Audit, AModelAgainstItselfShowsNoChangeAndDecidesNothingWithoutGates) {
  const Workspace work;
  const Outcome done = work.audit("base", "base", "run");
  EXPECT_EQ(done.exit_code, 4) << done.err;
  const Json report = done.json();
  expect_no_change(report);
  EXPECT_EQ(at(report, {"verdict", "answer"}).as_string(), "inconclusive");
  EXPECT_EQ(at(report, {"level"}).as_string(), "distributional_diff");
}

TEST(Audit, ACopyOfTheModelPassesEveryGate) {
  const Workspace work;
  work.write("suite.toml", small_suite(strict_gates()));
  std::filesystem::copy(work / "base", work / "copy");
  const Outcome done = work.audit("base", "copy", "run");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  const Json report = done.json();
  expect_no_change(report);
  EXPECT_EQ(at(report, {"verdict", "answer"}).as_string(), "ship");
  EXPECT_EQ(at(report, {"gates"}).size(), 3u);
  for (const Json& row : at(report, {"gates"}).items()) EXPECT_TRUE(at(row, {"passed"}).as_bool()) << at(row, {"id"}).as_string();
}

TEST(Audit, AChangedModelFailsTheGatesAndSaysWhatWasMeasured) {
  const Workspace work;
  work.write("suite.toml", small_suite(strict_gates()));
  const Outcome done = work.audit("base", "changed", "run");
  EXPECT_EQ(done.exit_code, 1) << done.err;
  const Json report = done.json();
  EXPECT_EQ(at(report, {"verdict", "answer"}).as_string(), "hold");
  EXPECT_EQ(at(report, {"level"}).as_string(), "distributional_diff");
  const Json& kld = delta_row(report, "mean_kld");
  EXPECT_GT(at(kld, {"value_candidate"}).as_double(), 0.01);
  EXPECT_EQ(at(kld, {"value_baseline"}).as_double(), 0.0);
  EXPECT_EQ(at(kld, {"verdict"}).as_string(), "changed");
  EXPECT_LT(at(delta_row(report, "same_top"), {"value_candidate"}).as_double(), 1.0);
  bool claimed = false;
  for (const Json& claim : at(report, {"claims"}).items())
    claimed |= at(claim, {"metric"}).as_string() == "mean_kld" && at(claim, {"strength"}).as_string() == "distributional_diff";
  EXPECT_TRUE(claimed);
}

TEST(Audit, WhatIsPrintedIsTheReportInTheFolder) {
  const Workspace work;
  const Outcome done = work.audit("base", "changed", "run");
  EXPECT_EQ(done.out, read_text(work / "run/report.json"));
}

TEST(Audit, EveryPromisedKeyOfTheReportIsThere) {
  const Workspace work;
  const Outcome done = work.audit("base", "changed", "run");
  ASSERT_EQ(done.exit_code, 4) << done.err;
  const Json report = done.json();
  const char* const top[] = {
      "schema_version", "run", "level", "verdict", "gates", "claims", "metric_deltas", "missing", "outcomes", "models", "timings", "commands",
      "report_version", "title", "target_change", "baseline", "candidate", "suite", "transformation", "access", "evidence", "findings", "metrics",
      "activation_findings", "examples", "reproduction_targets", "reproduction_results", "intervention_results", "limitations", "recommendation",
      "reproducibility", "thresholds", "threshold_summary"};
  for (const char* key : top) EXPECT_NE(report.find(key), nullptr) << key;
  for (const char* key : {"answer", "exit_code", "reason"}) EXPECT_NE(report.find("verdict")->find(key), nullptr) << key;
  for (const char* key : {"name", "digest", "lineage"}) EXPECT_NE(at(report, {"models", "candidate"}).find(key), nullptr) << key;
  for (const Json& row : at(report, {"metric_deltas"}).items()) {
    for (const char* key : {"name", "category", "unit", "value_baseline", "value_candidate", "delta", "stats", "noise_floor", "verdict"})
      EXPECT_NE(row.find(key), nullptr) << key;
    for (const char* key : {"test", "estimate", "ci", "p", "p_adjusted", "n", "mde"}) EXPECT_NE(row.find("stats")->find(key), nullptr) << key;
  }
  ASSERT_GT(at(report, {"claims"}).size(), 0u);
  for (const Json& claim : at(report, {"claims"}).items())
    for (const char* key : {"id", "strength", "statement", "metric", "n", "effect", "ci", "p", "p_adjusted", "limits", "evidence", "lifted_by"})
      EXPECT_NE(claim.find(key), nullptr) << key;
}

TEST(Audit, MetricNamesAreThoseOfListMetricsAndRefusalsAreGivenForEveryCategory) {
  const Workspace work;
  const Json report = work.audit("base", "changed", "run").json();
  std::set<std::string> known;
  const Json listed = vauban({"list", "metrics", "--json"}).json();
  for (const Json& row : listed.items()) known.insert(at(row, {"id"}).as_string());
  for (const Json& row : at(report, {"metric_deltas"}).items()) {
    const std::string& name = at(row, {"name"}).as_string();
    EXPECT_TRUE(known.contains(name)) << name;
    EXPECT_EQ(name.find("seconds"), std::string::npos) << "no wall-clock metric: " << name;
  }
  for (const char* category : {"overall", "greeting", "ending"}) EXPECT_TRUE(delta_row(report, "refusal_rate", category).is_object());
}

/// Rows of the metrics that one model alone has; two-model metrics are those that `list metrics` calls paired.
void expect_negated(const Json& forth, const Json& back) {
  std::size_t compared = 0;
  for (const Json& row : at(forth, {"metric_deltas"}).items()) {
    if (at(row, {"paired"}).as_bool()) continue;
    const std::string& name = at(row, {"name"}).as_string();
    const Json& other = delta_row(back, name, at(row, {"category"}).as_string());
    EXPECT_EQ(at(row, {"delta"}).as_double(), -at(other, {"delta"}).as_double()) << name;
    EXPECT_EQ(at(row, {"value_baseline"}), at(other, {"value_candidate"})) << name;
    for (const char* key : {"p", "p_adjusted", "n"}) EXPECT_EQ(at(row, {"stats", key}), at(other, {"stats", key})) << name << " " << key;
    const Json &ci = at(row, {"stats", "ci"}), &mirrored = at(other, {"stats", "ci"});
    ASSERT_EQ(ci.size(), mirrored.size()) << name;
    if (ci.size() == 2) {
      EXPECT_EQ(ci.items()[0].as_double(), -mirrored.items()[1].as_double()) << name;
    }
    ++compared;
  }
  EXPECT_GE(compared, 20u);
}

TEST(Audit, SwappingTheSidesNegatesEveryOneSidedDelta) {
  const Workspace work;
  const Json forth = work.audit("base", "changed", "forth").json(), back = work.audit("changed", "base", "back").json();
  expect_negated(forth, back);
  EXPECT_NE(at(delta_row(forth, "output_length_chars"), {"delta"}).as_double(), 0.0) << "the models must differ for this test";
}

TEST(Audit, TheAnswerDoesNotDependOnThreadsOrOnBatching) {
  const Workspace work;
  const Json one = work.audit("base", "changed", "one", {"--threads", "1", "--batch", "1"}).json();
  const Json two = work.audit("base", "changed", "two", {"--threads", "2", "--batch", "5"}).json();
  EXPECT_EQ(stable_part(one), stable_part(two));
}

TEST(Audit, APlanRunsNothingAndLeavesNothing) {
  const Workspace work;
  const Outcome plan = work.audit("base", "changed", "run", {"--plan"});
  EXPECT_EQ(plan.exit_code, 0) << plan.err;
  EXPECT_EQ(at(plan.json(), {"rows"}).as_int(), 24);
  EXPECT_FALSE(std::filesystem::exists(work / "run"));
}

TEST(Audit, APromptThatCannotRunIsCountedAndLeftOutNotGraded) {
  const Workspace work;
  work.write("suite.toml", suite_toml({{"fits", "a", "Once upon a time", ""}, {"too-long", "a", std::string(600, 'x'), ""}}));
  const Outcome done = work.audit("base", "changed", "run");
  EXPECT_EQ(done.exit_code, 4) << done.err;
  const Json report = done.json();
  EXPECT_EQ(at(report, {"outcomes", "baseline", "infra_error"}).as_int(), 1);
  EXPECT_EQ(at(report, {"outcomes", "candidate", "infra_error"}).as_int(), 1);
  EXPECT_EQ(at(delta_row(report, "refusal_rate"), {"stats", "n"}).as_int(), 1);
  EXPECT_EQ(at(report, {"unpaired"}).size(), 2u);
}

TEST(Audit, QuantisedStoriesDivergeFromTheirOriginal) {
  VB_NEED_SHARED("models/gguf/TinyStories-656K-Q4_0.gguf");
  const Workspace work;
  const std::string folder = (shared_data() / "models/gguf").string();
  const Outcome done = work.audit(folder + "/TinyStories-656K-F32.gguf", folder + "/TinyStories-656K-Q4_0.gguf", "run");
  EXPECT_EQ(done.exit_code, 4) << done.err;
  const Json report = done.json();
  EXPECT_EQ(at(report, {"level"}).as_string(), "distributional_diff");
  const Json& kld = delta_row(report, "mean_kld");
  EXPECT_GT(at(kld, {"value_candidate"}).as_double(), 1e-3);
  EXPECT_EQ(at(kld, {"noise_floor"}).as_double(), 0.0);
  EXPECT_EQ(work.run({"verify", "run"}).exit_code, 0);
}

}  // namespace
}  // namespace vauban::test
