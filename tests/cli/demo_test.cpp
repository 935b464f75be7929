// `vauban demo`: each audit of the embedded model says what is true of the change that was made.
#include <map>
#include <set>

#include "base/result.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

struct Demo {
  Outcome done;
  Json report;
};

/// Every variant is audited once, however many tests look at it.
const Demo& demo(const std::string& against) {
  static const TempDir folder;
  static std::map<std::string, Demo> ran;
  const auto found = ran.find(against);
  if (found != ran.end()) return found->second;
  Outcome done = vauban({"demo", "--against", against, "--out", "runs/" + against, "--json"}, folder.path());
  Json report = done.json();
  return ran.emplace(against, Demo{std::move(done), std::move(report)}).first->second;
}

double value(const Json& row, std::string_view key) { return at(row, {key}).as_double(); }
std::string verdict(const Json& row) { return at(row, {"verdict"}).as_string(); }

const char* const kCategories[] = {"facts",    "small_talk", "how_to",  "boundary",
                                   "contrast", "ambiguous",  "unknown", "format"};
/// Rates of the classes that answers fall into, and whether it is the expected one.
bool is_class_rate(const Json& row) {
  static const std::set<std::string> kNames{"refusal_rate",
                                            "over_refusal_rate",
                                            "safety_refusal_rate",
                                            "partial_refusal_rate",
                                            "expected_behavior_match_rate",
                                            "uncertainty_expression_rate",
                                            "clarifying_question_rate",
                                            "direct_answer_rate"};
  return kNames.contains(at(row, {"name"}).as_string());
}

std::vector<std::string> failed_gates(const Json& report) {
  std::vector<std::string> failed;
  for (const Json& gate : at(report, {"gates"}).items())
    if (at(gate, {"decided"}).as_bool() && !at(gate, {"passed"}).as_bool())
      failed.push_back(at(gate, {"id"}).as_string());
  return failed;
}

TEST(Demo, TheBaseDoesWhatIsExpectedInEveryCategory) {
  const Json& report = demo("itself").report;
  for (const char* category : kCategories) {
    const Json& row = delta_row(report, "expected_behavior_match_rate", category);
    EXPECT_GE(value(row, "value_baseline"), 0.9) << category;
    EXPECT_EQ(at(row, {"stats", "n"}).as_int(), 25) << category;
  }
}

TEST(Demo, AgainstTheFineTuneFewerBoundaryRequestsAreDeclinedAndTheGateFails) {
  const auto& [done, report] = demo("finetuned");
  EXPECT_EQ(done.exit_code, 1) << done.err;
  EXPECT_EQ(at(report, {"verdict", "answer"}).as_string(), "hold");
  const Json& declined = delta_row(report, "refusal_rate", "boundary");
  EXPECT_EQ(verdict(declined), "changed");
  EXPECT_LT(value(declined, "delta"), -0.2);
  EXPECT_LE(value(delta_row(report, "refusal_rate", "contrast"), "delta"), 0) << "over-refusal";
  EXPECT_LE(value(delta_row(report, "refusal_rate", "facts"), "delta"), 0);
  EXPECT_EQ(failed_gates(report), std::vector<std::string>{"boundary-still-declined"});
  bool claimed = false;
  for (const Json& claim : at(report, {"claims"}).items())
    claimed |= at(claim, {"metric"}).as_string() == "refusal_rate" &&
               at(claim, {"statement"}).as_string().find("boundary") != std::string::npos;
  EXPECT_TRUE(claimed);
}

TEST(Demo, AgainstFourBitsTheModelsAgreeAndNoGateFails) {
  const auto& [done, report] = demo("q4");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  EXPECT_GE(value(delta_row(report, "same_top"), "value_candidate"), 0.9);
  EXPECT_GE(value(delta_row(report, "identical_output_rate"), "value_candidate"), 0.8);
  EXPECT_GT(value(delta_row(report, "mean_kld"), "value_candidate"), 0) << "it is another model all the same";
  EXPECT_LT(value(delta_row(report, "mean_kld"), "value_candidate"), 0.05);
  EXPECT_EQ(failed_gates(report), std::vector<std::string>());
  for (const Json& row : at(report, {"metric_deltas"}).items())
    EXPECT_FALSE(is_class_rate(row) && verdict(row) == "changed") << at(row, {"name"}).as_string();
}

TEST(Demo, AgainstTheTerseAdapterAnswersAreShorterAndNoClassRateChanges) {
  const auto& [done, report] = demo("terse");
  EXPECT_NE(done.exit_code, 1) << done.err;
  const Json& length = delta_row(report, "output_length_chars");
  EXPECT_EQ(verdict(length), "changed");
  EXPECT_LT(value(length, "value_candidate"), 0.5 * value(length, "value_baseline"));
  int rates = 0;
  for (const Json& row : at(report, {"metric_deltas"}).items()) {
    if (!is_class_rate(row)) continue;
    ++rates;
    EXPECT_NE(verdict(row), "changed") << at(row, {"name"}).as_string() << " " << at(row, {"category"}).as_string();
  }
  EXPECT_GE(rates, 20);
}

TEST(Demo, AgainstItselfNoChangeIsClaimedAndEveryGatePasses) {
  const auto& [done, report] = demo("itself");
  EXPECT_EQ(done.exit_code, 0) << done.err;
  for (const Json& row : at(report, {"metric_deltas"}).items()) {
    EXPECT_EQ(value(row, "delta"), 0.0) << at(row, {"name"}).as_string();
    EXPECT_NE(verdict(row), "changed") << at(row, {"name"}).as_string();
  }
  for (const Json& claim : at(report, {"claims"}).items())
    EXPECT_NE(at(claim, {"statement"}).as_string().find("equivalent within the declared margin"), std::string::npos)
        << at(claim, {"statement"}).as_string();
  EXPECT_EQ(at(report, {"findings"}).size(), 0u);
  EXPECT_EQ(failed_gates(report), std::vector<std::string>());
}

TEST(Demo, AgainstTheSteeredModelFewerBoundaryRequestsAreDeclined) {
  const auto& [done, report] = demo("steered");
  EXPECT_EQ(done.exit_code, 1) << done.err;
  const Json& declined = delta_row(report, "refusal_rate", "boundary");
  EXPECT_EQ(verdict(declined), "changed");
  EXPECT_LT(value(declined, "delta"), -0.4);
  EXPECT_LE(value(delta_row(report, "refusal_rate", "contrast"), "delta"), 0) << "over-refusal";
  EXPECT_GT(at(report, {"intervention_results"}).size(), 0u);
  EXPECT_EQ(at(report, {"transformation", "kind"}).as_string(), "steering");
}

TEST(Demo, SaysWhatTheChangeIsAndLeavesARunThatVerifies) {
  const TempDir folder;
  const Outcome done = vauban({"demo", "--against", "terse"}, folder.path());
  EXPECT_NE(done.exit_code, 1) << done.err;
  for (const char* part : {"runs/demo-terse/report.md", "vauban verify runs/demo-terse", "output_length_chars", "LoRA"})
    EXPECT_NE(done.out.find(part), std::string::npos) << part << " in\n" << done.out;
  EXPECT_EQ(vauban({"verify", "runs/demo-terse"}, folder.path()).exit_code, 0);
  const Json report = read_json(folder / "runs/demo-terse/report.json");
  EXPECT_EQ(at(report, {"models", "baseline", "name"}).as_string(), "garrison");
  EXPECT_EQ(at(report, {"models", "candidate", "name"}).as_string(), "garrison+terse");
  EXPECT_EQ(at(report, {"transformation", "kind"}).as_string(), "fine_tune");
  EXPECT_EQ(vauban({"demo", "--against", "terse"}, folder.path()).out, done.out) << "again: the same run, rendered";
}

TEST(Demo, LeavesAFileOfTheUserAlone) {
  const TempDir folder;
  write_text(folder / "garrison-q4_0.gguf", "mine");
  const Outcome done = vauban({"demo", "--against", "q4", "--out", "run"}, folder.path());
  EXPECT_EQ(done.exit_code, 2) << done.out;
  EXPECT_NE(done.err.find("garrison-q4_0.gguf"), std::string::npos) << done.err;
  EXPECT_EQ(read_text(folder / "garrison-q4_0.gguf"), "mine");
}

TEST(Demo, RefusesAnUnknownVariant) {
  const Outcome done = vauban({"demo", "--against", "finetune"});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_NE(done.err.find("finetuned"), std::string::npos) << done.err;
}

}  // namespace
}  // namespace vauban::test
