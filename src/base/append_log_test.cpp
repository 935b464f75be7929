#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/context.h"
#include "base/faulty_file_ops.h"
#include "base/files.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using test::FaultyFileOps;

class ManualClock final : public Clock {
 public:
  std::chrono::nanoseconds monotonic() const override { return now; }
  std::chrono::system_clock::time_point utc() const override { return {}; }
  std::chrono::nanoseconds now{0};
};

class AppendLogTest : public ::testing::Test {
 protected:
  void put(std::string_view text) { std::ofstream(path_, std::ios::binary) << text; }
  std::string text() const { return test::read_text(path_); }

  test::TempDir folder_;
  std::filesystem::path path_ = folder_ / "rows.jsonl";
  ManualClock clock_;
};

long n_syncs(const FaultyFileOps& ops) { return std::count(ops.calls.begin(), ops.calls.end(), "fsync"); }

TEST_F(AppendLogTest, AppendsWholeLinesAtOnce) {
  auto log = AppendLog::open(path_);
  VB_ASSERT_OK(log);
  VB_ASSERT_OK(log->append("one"));
  EXPECT_EQ(text(), "one\n");
  VB_ASSERT_OK(log->append(""));
  VB_ASSERT_OK(log->append("three"));
  EXPECT_EQ(text(), "one\n\nthree\n");
}

TEST_F(AppendLogTest, OpenDropsATornLastLineAndKeepsTheRest) {
  const std::string long_line(200'000, 'x');
  const std::pair<std::string, std::string> cases[] = {{"", ""},
                                                       {"torn", ""},
                                                       {"a\n", "a\n"},
                                                       {"a\nto", "a\n"},
                                                       {"\n", "\n"},
                                                       {"\nx", "\n"},
                                                       {"a\n" + long_line, "a\n"},
                                                       {long_line + "\nb\n" + long_line, long_line + "\nb\n"},
                                                       {long_line, ""}};
  for (const auto& [before, kept] : cases) {
    put(before);
    auto log = AppendLog::open(path_);
    VB_ASSERT_OK(log);
    EXPECT_EQ(text(), kept);
    VB_ASSERT_OK(log->append("next"));
    EXPECT_EQ(text(), kept + "next\n");
  }
}

TEST_F(AppendLogTest, EveryCutOfALogReopensToItsWholeLines) {
  const std::string whole = "first\nsecond line\n\nfourth\n";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    put(whole.substr(0, cut));
    const std::size_t newline = whole.substr(0, cut).rfind('\n');
    const std::string kept = newline == std::string::npos ? "" : whole.substr(0, newline + 1);
    const auto read = read_log(path_);
    VB_ASSERT_OK(read);
    EXPECT_EQ(*read, kept);
    EXPECT_EQ(text(), whole.substr(0, cut)) << "reading repairs nothing";
    VB_ASSERT_OK(AppendLog::open(path_));
    EXPECT_EQ(text(), kept);
  }
}

TEST_F(AppendLogTest, SyncsWhen250MsHavePassedOnRequestAndAtTheEnd) {
  FaultyFileOps ops;
  {
    auto log = AppendLog::open(path_, ops, clock_);
    VB_ASSERT_OK(log);
    VB_ASSERT_OK(log->append("a"));
    clock_.now += std::chrono::milliseconds(249);
    VB_ASSERT_OK(log->append("b"));
    EXPECT_EQ(n_syncs(ops), 0);
    clock_.now += std::chrono::milliseconds(1);
    VB_ASSERT_OK(log->append("c"));
    EXPECT_EQ(n_syncs(ops), 1);
    VB_ASSERT_OK(log->append("d"));
    EXPECT_EQ(n_syncs(ops), 1);
    VB_ASSERT_OK(log->sync());
    EXPECT_EQ(n_syncs(ops), 2);
    VB_ASSERT_OK(log->sync());
    EXPECT_EQ(n_syncs(ops), 2);  // nothing new to sync
    VB_ASSERT_OK(log->append("e"));
  }
  EXPECT_EQ(n_syncs(ops), 3);
  EXPECT_EQ(ops.n_open(), 0);
}

TEST_F(AppendLogTest, ShortAndInterruptedWritesAreContinued) {
  FaultyFileOps ops({.call = "write", .nth = 1, .error_number = EINTR});
  ops.max_write_bytes = 2;
  auto log = AppendLog::open(path_, ops, clock_);
  VB_ASSERT_OK(log);
  VB_ASSERT_OK(log->append("0123456789"));
  EXPECT_EQ(text(), "0123456789\n");
}

TEST_F(AppendLogTest, NothingFollowsALineThatTheFullDiskTore) {
  put("kept\n");
  FaultyFileOps ops({.call = "write", .nth = 1, .error_number = ENOSPC});
  ops.max_write_bytes = 3;
  {
    auto log = AppendLog::open(path_, ops, clock_);
    VB_ASSERT_OK(log);
    const auto torn = log->append("0123456789");
    ASSERT_FALSE(torn);
    EXPECT_EQ(torn.error().code, ErrorCode::resource);
    EXPECT_FALSE(log->append("later"));  // the disk has room again, but the line is torn
    EXPECT_FALSE(log->sync());
    EXPECT_EQ(text(), "kept\n012");
  }
  auto again = AppendLog::open(path_);
  VB_ASSERT_OK(again);
  VB_ASSERT_OK(again->append("later"));
  EXPECT_EQ(text(), "kept\nlater\n");
}

TEST_F(AppendLogTest, FailedSyncIsReportedAndStaysFailed) {
  FaultyFileOps ops({.call = "fsync", .nth = 0, .error_number = EIO});
  auto log = AppendLog::open(path_, ops, clock_);
  VB_ASSERT_OK(log);
  VB_ASSERT_OK(log->append("a"));
  EXPECT_EQ(log->sync().error().code, ErrorCode::io);
  EXPECT_FALSE(log->sync());
  EXPECT_FALSE(log->append("b"));
}

TEST_F(AppendLogTest, RefusesLinesWithANewlineAndPlacesThatAreNoFile) {
  auto log = AppendLog::open(path_);
  VB_ASSERT_OK(log);
  EXPECT_FALSE(log->append("a\nb"));
  EXPECT_EQ(text(), "");
  EXPECT_EQ(AppendLog::open(folder_.path()).error().code, ErrorCode::invalid_input);
  EXPECT_EQ(AppendLog::open(folder_ / "no" / "log").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace vauban
