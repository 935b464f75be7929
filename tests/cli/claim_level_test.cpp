// How strong a statement may be follows from what was observed; no key and no flag can raise it.
#include "base/result.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

std::string rows(const std::string& label, const std::string& answer) {
  std::string text;
  for (int i = 0; i < 8; ++i)
    text += format("{{\"prompt_id\":\"p{}\",\"model_label\":\"{}\",\"category\":\"c\",\"redaction\":\"safe\",\"output_text\":\"{} {}\"}}\n", i, label, answer, i);
  return text;
}

class TextOnly : public testing::Test {
 protected:
  TextOnly() {
    work_.write("a.jsonl", rows("a", "Here is the answer:"));
    work_.write("b.jsonl", rows("b", "I cannot help with that."));
  }
  const Workspace work_;
};

void expect_refused(const Outcome& outcome, std::string_view word) {
  EXPECT_EQ(outcome.exit_code, 2) << outcome.out << outcome.err;
  const Json answer = outcome.json();
  EXPECT_EQ(at(answer, {"error", "code"}).as_string(), "invalid_input");
  EXPECT_NE(at(answer, {"error", "message"}).as_string().find(word), std::string::npos) << outcome.out;
}

TEST_F(TextOnly, RowsOfTextNeverYieldMoreThanABlackBoxDiff) {
  const Json report = work_.run({"diff", "a.jsonl", "b.jsonl", "--json"}).json();
  EXPECT_EQ(at(report, {"level"}).as_string(), "black_box_behavioral_diff");
  EXPECT_EQ(at(report, {"kind"}).as_string(), "observations");
  EXPECT_GT(at(report, {"claims"}).size(), 0u);
  for (const Json& claim : at(report, {"claims"}).items()) EXPECT_EQ(at(claim, {"strength"}).as_string(), "black_box_behavioral_diff");
}

TEST_F(TextOnly, AFlagCannotRaiseTheLevelAndBlocksNothing) {
  for (const char* level : {"distributional_diff", "weight_diff", "activation_diagnostic", "model_change_audit"}) {
    expect_refused(work_.run({"diff", "a.jsonl", "b.jsonl", "--claim-strength", level, "--out", "run", "--json"}), level);
    EXPECT_FALSE(std::filesystem::exists(work_ / "run"));
  }
  EXPECT_EQ(work_.run({"diff", "a.jsonl", "b.jsonl", "--out", "run", "--json"}).exit_code, 4);
  EXPECT_EQ(work_.run({"verify", "run"}).exit_code, 0);
}

TEST_F(TextOnly, AKeyInTomlCannotRaiseTheLevelAndBlocksNothing) {
  const std::string diff = "[diff]\na = \"a.jsonl\"\nb = \"b.jsonl\"\nout = \"run\"\n";
  work_.write("diff.toml", diff + "claim_strength = \"model_change_audit\"\n");
  expect_refused(work_.run({"diff.toml", "--json"}), "model_change_audit");
  EXPECT_FALSE(std::filesystem::exists(work_ / "run"));
  work_.write("diff.toml", diff);
  EXPECT_EQ(work_.run({"diff.toml", "--json"}).exit_code, 4);
}

TEST_F(TextOnly, ALevelPlantedIntoTheStoredInputsIsRefusedToo) {
  ASSERT_EQ(work_.run({"diff", "a.jsonl", "b.jsonl", "--out", "run"}).exit_code, 4);
  edit_json(work_ / "run/inputs.json", [](Json& inputs) { inputs["claim_strength"] = "model_change_audit"; });
  expect_refused(work_.run({"report", "run", "--json"}), "model_change_audit");
  EXPECT_EQ(work_.run({"verify", "run"}).exit_code, 1);
}

TEST_F(TextOnly, KeysInTheRowsCannotRaiseTheLevel) {
  work_.write("planted.jsonl", rows("b", "I cannot help with that."));
  edit_lines(work_ / "planted.jsonl", [](Json& row) {
    row["claim_strength"] = "model_change_audit";
    row["level"] = "weight_diff";
    return true;
  });
  EXPECT_EQ(at(work_.run({"diff", "a.jsonl", "planted.jsonl", "--json"}).json(), {"level"}).as_string(), "black_box_behavioral_diff");
}

TEST(AuditLevel, AFlagAndAKeyCannotRaiseItAndBlockNothing) {
  const Workspace work;
  for (const char* level : {"weight_diff", "activation_diagnostic", "model_change_audit"}) {
    expect_refused(work.audit("base", "changed", "run", {"--claim-strength", level}), level);
    EXPECT_FALSE(std::filesystem::exists(work / "run/inputs.json"));
  }
  const std::string audit = "[audit]\nbase = \"base\"\ncandidate = \"changed\"\nsuite = \"suite.toml\"\nout = \"run\"\nmax_tokens = 12\n";
  work.write("audit.toml", audit + "claim_strength = \"model_change_audit\"\n");
  expect_refused(work.run({"audit.toml", "--json"}), "model_change_audit");
  work.write("audit.toml", audit);
  const Outcome done = work.run({"audit.toml", "--json"});
  EXPECT_EQ(done.exit_code, 4) << done.err;
  EXPECT_EQ(at(done.json(), {"level"}).as_string(), "distributional_diff");
}

TEST(AuditLevel, ObservedActivationsAreNotYetAComputedDifferenceOfThem) {
  const Workspace work;
  const std::vector<std::string> observe{"--observe", "resid_post:all:summary"};
  const Json report = work.audit("base", "changed", "run", observe).json();
  EXPECT_EQ(at(report, {"level"}).as_string(), "distributional_diff");
  EXPECT_GT(at(report, {"presence", "activation", "candidate"}).as_int(), 0);
}

TEST(AuditLevel, WhatTurnsOutTooHighOnlyAfterTheRunBlocksNothingEither) {
  const Workspace work;
  work.write("suite.toml", suite_toml({{"too-long", "a", std::string(600, 'x'), ""}}));
  expect_refused(work.audit("base", "changed", "run", {"--claim-strength", "distributional_diff"}), "behavioral_profile");
  const Outcome done = work.audit("base", "changed", "run");
  EXPECT_EQ(done.exit_code, 4) << done.err;
  EXPECT_EQ(at(done.json(), {"level"}).as_string(), "behavioral_profile");
  EXPECT_EQ(work.run({"verify", "run"}).exit_code, 0);
}

TEST(AuditLevel, ADeclaredLevelMayLowerIt) {
  const Workspace work;
  const Json report = work.audit("base", "changed", "run", {"--claim-strength", "black_box_behavioral_diff"}).json();
  EXPECT_EQ(at(report, {"level"}).as_string(), "black_box_behavioral_diff");
  for (const Json& claim : at(report, {"claims"}).items()) EXPECT_EQ(at(claim, {"strength"}).as_string(), "black_box_behavioral_diff");
  EXPECT_TRUE(delta_row(report, "mean_kld").is_object()) << "the numbers stay";
}

/// Mean length of the answers on both sides over the pairs that are left, counted here.
std::pair<double, double> mean_lengths(const std::filesystem::path& file, const std::string& without) {
  double baseline = 0, candidate = 0, pairs = 0;
  edit_lines(file, [&](Json& row) {
    if (at(row, {"prompt_id"}).as_string() == without) return true;
    const double length = static_cast<double>(at(row, {"output_text"}).as_string().size());
    const bool is_candidate = at(row, {"model_label"}).as_string() == "candidate";
    (is_candidate ? candidate : baseline) += length;
    pairs += is_candidate;
    return true;
  });
  return {baseline / pairs, candidate / pairs};
}

TEST(AuditLevel, ADeletedRowIsReportedAndLeftOutNotAveragedAway) {
  const Workspace work;
  ASSERT_EQ(work.audit("base", "changed", "run").exit_code, 4);
  const std::string gone = "greeting-Tom";
  edit_lines(work / "run/observations.jsonl", [&](Json& row) {
    return !(at(row, {"prompt_id"}).as_string() == gone && at(row, {"model_label"}).as_string() == "candidate");
  });
  const Outcome done = work.run({"report", "run", "--json"});
  EXPECT_EQ(done.exit_code, 4) << done.err;
  const Json report = done.json();
  ASSERT_EQ(at(report, {"unpaired"}).size(), 1u);
  EXPECT_EQ(at(at(report, {"unpaired"}).items()[0], {"prompt_id"}).as_string(), gone);
  EXPECT_EQ(at(at(report, {"unpaired"}).items()[0], {"missing_on"}).as_string(), "candidate");
  EXPECT_NE(at(report, {"limitations"}).dump().value_or("").find("unpaired"), std::string::npos);
  EXPECT_NE(read_text(work / "run/report.md").find(gone), std::string::npos);
  EXPECT_EQ(at(report, {"suite", "pairs"}).as_int(), 11);
  EXPECT_EQ(at(report, {"suite", "planned_pairs"}).as_int(), 12);
  const Json& length = delta_row(report, "output_length_chars");
  EXPECT_EQ(at(length, {"stats", "n"}).as_int(), 11);
  const auto [baseline, candidate] = mean_lengths(work / "run/observations.jsonl", gone);
  EXPECT_NEAR(at(length, {"value_baseline"}).as_double(), baseline, 1e-12);
  EXPECT_NEAR(at(length, {"value_candidate"}).as_double(), candidate, 1e-12);
}

}  // namespace
}  // namespace vauban::test
