// One folder, one run: the same command renders it again, any other is refused.
#include <csignal>
#include <memory>
#include <thread>

#include "base/result.h"
#include "cli/workspace.h"
#include "support/tiny_model.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;

TEST(RunFolder, TheSameCommandRendersTheSameBytes) {
  const Workspace work;
  ASSERT_EQ(work.audit("base", "changed", "run").exit_code, 4);
  const auto before = files_below(work / "run");
  EXPECT_EQ(work.audit("base", "changed", "run").exit_code, 4);
  EXPECT_EQ(files_below(work / "run"), before);
  EXPECT_EQ(work.run({"report", "run"}).exit_code, 4);
  EXPECT_EQ(files_below(work / "run"), before);
}

TEST(RunFolder, ItsOwnConfigurationFileDoesTheSameAgain) {
  const Workspace work;
  ASSERT_EQ(work.audit("base", "changed", "run", {"--threads", "1", "--seed", "3"}).exit_code, 4);
  const auto before = files_below(work / "run");
  const Outcome again = work.run({"run/config.toml", "--json"});
  EXPECT_EQ(again.exit_code, 4) << again.err;
  EXPECT_EQ(files_below(work / "run"), before);
}

struct OtherInput {
  const char* key;  ///< what the refusal must name
  std::vector<std::string> more;
};

TEST(RunFolder, OtherInputsAreRefusedByName) {
  const Workspace work;
  ASSERT_EQ(work.audit("base", "changed", "run").exit_code, 4);
  const auto before = files_below(work / "run");
  const OtherInput others[] = {{"sampling", {"--temperature", "0.5"}}, {"sampling", {"--seed", "9"}},
                               {"backend", {"--backend", "reference"}}, {"observe", {"--observe", "resid_post:all:summary"}},
                               {"record_outputs", {"--no-record-outputs"}}, {"title", {"--title", "another"}},
                               {"baseline_floor", {"--baseline-floor", "0"}}};
  for (const OtherInput& other : others) {
    const Outcome done = work.audit("base", "changed", "run", other.more);
    EXPECT_EQ(done.exit_code, 2) << other.key;
    EXPECT_NE(at(done.json(), {"error", "message"}).as_string().find(other.key), std::string::npos) << done.out;
  }
  EXPECT_EQ(files_below(work / "run"), before) << "a refusal changes nothing";
}

TEST(RunFolder, OtherModelsAndSuitesAreRefusedByName) {
  const Workspace work;
  ASSERT_EQ(work.audit("base", "changed", "run").exit_code, 4);
  const auto refused = [&](const Outcome& done, const char* key) {
    EXPECT_EQ(done.exit_code, 2);
    EXPECT_NE(at(done.json(), {"error", "message"}).as_string().find(format("'{}'", key)), std::string::npos) << done.out;
  };
  refused(work.audit("changed", "base", "run"), "baseline");
  refused(work.audit("base", "base", "run"), "candidate");
  work.write("suite.toml", small_suite() + "# one more line\n");
  refused(work.audit("base", "changed", "run"), "suite");
}

TEST(RunFolder, AnotherDirectionBehindTheSameInterventionFileIsAnotherInput) {
  const Workspace work;
  const auto write_edit = [&](double first) {
    std::string values = format("{:.3f}", first);
    for (int i = 1; i < 64; ++i) values += ", 0.0";
    work.write("edit.toml", "[[interventions]]\nname = \"push\"\nmode = \"offset\"\nlayers = [1]\ndirection = [" + values + "]\n");
  };
  write_edit(2.0);
  const std::vector<std::string> edit{"--intervene", "edit.toml"};
  const Outcome first = work.audit("base", "base", "run", edit);
  ASSERT_EQ(first.exit_code, 4) << first.err;
  EXPECT_GT(at(delta_row(first.json(), "flip_rate"), {"stats", "n"}).as_int(), 0);
  write_edit(3.0);
  const Outcome other = work.audit("base", "base", "run", edit);
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_NE(at(other.json(), {"error", "message"}).as_string().find("interventions"), std::string::npos) << other.out;
}

/// A process that holds the folder for as long as we like. On a busy machine it may be over before it is stopped: again then.
std::unique_ptr<Program> stopped_in_its_middle(const std::vector<std::string>& command, const Workspace& work) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    auto program = std::make_unique<Program>(command, work.path());
    while (!fs::exists(work / "run/inputs.json") && program->is_running()) std::this_thread::sleep_for(std::chrono::microseconds(200));
    program->send(SIGSTOP);
    if (program->is_running() && !fs::exists(work / "run/report.json")) return program;
    program.reset();
    fs::remove_all(work / "run");
  }
  return nullptr;
}

TEST(RunFolder, ASecondProcessIsRefusedWhileTheFirstOneWrites) {
  const Workspace work;
  const std::vector<std::string> command{"audit", "base", "changed", "--suite", "suite.toml", "--out", "run", "--max-tokens", "60",
                                         "--batch", "1", "--json"};
  std::unique_ptr<Program> first = stopped_in_its_middle(command, work);
  ASSERT_NE(first, nullptr);
  for (const std::vector<std::string>& other : {command, {"report", "run", "--json"}}) {
    const Outcome second = work.run(other);
    EXPECT_EQ(second.exit_code, 3) << second.out;
    EXPECT_EQ(at(second.json(), {"error", "code"}).as_string(), "resource");
    EXPECT_NE(second.err.find("another process"), std::string::npos) << second.err;
  }
  first->send(SIGCONT);
  EXPECT_EQ(first->wait().exit_code, 4);
  EXPECT_EQ(work.run({"verify", "run"}).exit_code, 0);
}

TEST(RunFolder, ADiffFolderIsAsStrict) {
  const Workspace work;
  const auto row = [](const char* text) { return format("{{\"prompt_id\":\"p\",\"redaction\":\"safe\",\"output_text\":\"{}\"}}\n", text); };
  work.write("a.jsonl", row("yes"));
  work.write("b.jsonl", row("no"));
  work.write("c.jsonl", row("maybe"));
  ASSERT_EQ(work.run({"diff", "a.jsonl", "b.jsonl", "--out", "run"}).exit_code, 4);
  const auto before = files_below(work / "run");
  EXPECT_EQ(work.run({"diff", "a.jsonl", "b.jsonl", "--out", "run"}).exit_code, 4);
  EXPECT_EQ(work.run({"diff", "a.jsonl", "c.jsonl", "--out", "run"}).exit_code, 2);
  EXPECT_EQ(work.run({"diff", "a.jsonl", "b.jsonl", "--role", "default=benign", "--out", "run"}).exit_code, 2);
  EXPECT_EQ(files_below(work / "run"), before);
}

TEST(RunFolder, TwoRunsAreComparedByTheirCandidates) {
  const Workspace work;
  ASSERT_EQ(work.audit("base", "base", "same").exit_code, 4);
  ASSERT_EQ(work.audit("base", "changed", "other").exit_code, 4);
  const Json report = work.run({"diff", "same", "other", "--json"}).json();
  EXPECT_EQ(at(report, {"kind"}).as_string(), "runs");
  EXPECT_EQ(at(report, {"level"}).as_string(), "black_box_behavioral_diff");
  const Json direct = read_json(work / "other/report.json");
  EXPECT_EQ(at(delta_row(report, "output_length_chars"), {"delta"}), at(delta_row(direct, "output_length_chars"), {"delta"}));
}

}  // namespace
}  // namespace vauban::test
