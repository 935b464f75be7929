// A run that was stopped anywhere is finished by the same command, and nobody can tell.
#include <csignal>
#include <random>
#include <thread>

#include "base/result.h"
#include "cli/workspace.h"

namespace vauban::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kKills = 8;  // every start costs several times as much
#else
constexpr int kKills = 50;
#endif
constexpr std::uint64_t kSeed = 20260726;

/// Chunks of two prompts, traces with payloads, a withheld prompt: everything that a crash can cut through.
std::vector<std::string> command(const std::string& out) {
  return {"audit", "base", "changed", "--suite", "suite.toml", "--out", out, "--max-tokens", "24", "--batch", "2", "--baseline-floor", "3",
          "--observe", "resid_post:1:payload@last", "--threads", "1", "--quiet", "--json"};
}

std::uintmax_t bytes_below(const fs::path& folder) {
  std::uintmax_t total = 0;
  std::error_code ignored;
  for (fs::recursive_directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored)) {
    std::error_code gone;
    const std::uintmax_t size = it->is_regular_file(gone) ? it->file_size(gone) : 0;
    if (!gone) total += size;
  }
  return total;
}

/// Where to stop: when the folder has grown to this size, and then a little later.
struct Moment {
  std::uintmax_t bytes = 0;
  std::chrono::microseconds later{};
};

/// Waits for the moment; false when the program ended before.
bool reach(Program& program, const fs::path& run, const Moment& moment) {
  while (bytes_below(run) < moment.bytes) {
    if (!program.is_running()) return false;
    std::this_thread::sleep_for(100us);
  }
  std::this_thread::sleep_for(moment.later);
  return program.is_running();
}

std::vector<std::string> payload_names(const fs::path& run) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files_below(run / "artifacts")) names.push_back(name);
  return names;
}

class Resume : public testing::Test {
 protected:
  void SetUp() override {
    std::string suite = small_suite();
    suite += "[[behavior_suite.prompts]]\nid = \"withheld\"\ncategory = \"ending\"\nredaction = \"redacted\"\ntext = \"The secret is\"\n";
    work_.write("suite.toml", suite);
    const Outcome done = work_.run(command("whole"));
    ASSERT_EQ(done.exit_code, 4) << done.err;
    report_ = stable_part(done.json());
    markdown_ = stable_markdown(read_text(work_ / "whole/report.md"));
    payloads_ = payload_names(work_ / "whole");
    total_bytes_ = bytes_below(work_ / "whole");
  }

  /// Runs the command again and compares the result with that of the undisturbed run.
  void finish(const std::string& run) const {
    const Outcome done = work_.run(command(run));
    ASSERT_EQ(done.exit_code, 4) << done.err;
    EXPECT_EQ(stable_part(read_json(work_ / run / "report.json")), report_);
    EXPECT_EQ(stable_markdown(read_text(work_ / run / "report.md")), markdown_);
    EXPECT_EQ(payload_names(work_ / run), payloads_);
    EXPECT_EQ(bytes_of_rows(run), bytes_of_rows("whole"));
    EXPECT_EQ(work_.run({"verify", run}).exit_code, 0);
  }
  /// Starts the run and sends `signal` in its middle. On a busy machine the run may be over before the signal comes: again then.
  Outcome stopped_by(int signal, const std::string& run) const {
    for (int attempt = 0; attempt < 50; ++attempt) {
      Program program(command(run), work_.path());
      if (reach(program, work_ / run, {total_bytes_ / 4, 0us})) program.send(signal);
      Outcome outcome = program.wait();
      if (outcome.exit_code != 4) return outcome;
      fs::remove_all(work_ / run);
    }
    ADD_FAILURE() << "no run could be stopped before its end";
    return {};
  }
  std::string bytes_of_rows(const std::string& run) const {
    return read_text(work_ / run / "observations.jsonl") + read_text(work_ / run / "scores.jsonl");
  }

  const Workspace work_;
  Json report_;
  std::string markdown_;
  std::vector<std::string> payloads_;
  std::uintmax_t total_bytes_ = 0;
};

TEST_F(Resume, KilledAtRandomMomentsTheRunEndsWithTheSameReport) {
  std::printf("seed %llu, %d kills\n", static_cast<unsigned long long>(kSeed), kKills);
  std::mt19937_64 random(kSeed);
  int killed = 0;
  for (int i = 0; i < kKills; ++i) {
    const std::string run = format("run-{}", i);
    const Moment moment{random() % total_bytes_, std::chrono::microseconds(random() % 3000)};
    SCOPED_TRACE(format("kill {}: at {} bytes and {} us later", i, moment.bytes, moment.later.count()));
    Program program(command(run), work_.path());
    if (reach(program, work_ / run, moment)) program.send(SIGKILL);
    killed += program.wait().signal == SIGKILL;
    ASSERT_NO_FATAL_FAILURE(finish(run));
    fs::remove_all(work_ / run);
  }
  EXPECT_GT(killed, kKills / 4) << "runs must have been stopped before their end";
}

TEST_F(Resume, KilledAgainAndAgainItStillEndsTheSame) {
  std::mt19937_64 random(kSeed + 1);
  for (int i = 1; i <= 6; ++i) {
    const Moment moment{total_bytes_ * static_cast<std::uintmax_t>(i) / 8, std::chrono::microseconds(random() % 2000)};
    Program program(command("run"), work_.path());
    if (reach(program, work_ / "run", moment)) program.send(SIGKILL);
    program.wait();
  }
  finish("run");
}

TEST_F(Resume, CtrlCExitsWith130AndLeavesARunThatCanBeFinished) {
  const Outcome stopped = stopped_by(SIGINT, "run");
  EXPECT_EQ(stopped.exit_code, 130) << stopped.err;
  EXPECT_EQ(at(stopped.json(), {"error", "code"}).as_string(), "cancelled");
  finish("run");
}

TEST_F(Resume, AnUnfinishedRunIsNotVerifiedAndCanBeReported) {
  ASSERT_EQ(stopped_by(SIGKILL, "run").signal, SIGKILL);
  EXPECT_EQ(work_.run({"verify", "run"}).exit_code, 1);
  const Outcome partial = work_.run({"report", "run", "--json"});
  EXPECT_EQ(partial.exit_code, 4) << partial.err;
  EXPECT_GT(at(partial.json(), {"unpaired"}).size(), 0u);
  finish("run");
}

TEST_F(Resume, ALineThatWasCutInTheMiddleDoesNotHideTheOthers) {
  ASSERT_EQ(stopped_by(SIGKILL, "run").signal, SIGKILL);
  for (const char* log : {"traces.jsonl", "observations.jsonl"}) {
    const fs::path path = work_ / "run" / log;
    const std::uintmax_t size = fs::file_size(path);
    ASSERT_GT(size, 40u) << log;
    fs::resize_file(path, size - 20);
  }
  const Outcome partial = work_.run({"report", "run", "--json"});
  EXPECT_EQ(partial.exit_code, 4) << partial.err;
  finish("run");
}

}  // namespace
}  // namespace vauban::test
