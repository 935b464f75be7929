#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/faulty_file_ops.h"
#include "base/files.h"
#include "support/test_data.h"

namespace vauban {
namespace {

using test::FaultyFileOps;

class AtomicFileTest : public ::testing::Test {
 protected:
  void SetUp() override { std::ofstream(target_) << "old"; }
  std::string target_text() const { return test::read_text(target_); }
  std::size_t n_files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_.path()), {}));
  }

  test::TempDir folder_;
  std::filesystem::path target_ = folder_ / "report.json";
};

TEST_F(AtomicFileTest, ReplacesTheTargetInTheDurableOrder) {
  FaultyFileOps ops;
  VB_ASSERT_OK(write_file_atomic(target_, "new", ops));
  EXPECT_EQ(target_text(), "new");
  EXPECT_EQ(n_files(), 1u);
  EXPECT_EQ(ops.calls,
            (std::vector<std::string>{"open", "write", "open", "fsync", "close", "rename", "fsync", "close"}));
  EXPECT_EQ(ops.n_open(), 0);
}

TEST_F(AtomicFileTest, WithoutCommitTheOldFileStays) {
  {
    auto file = AtomicFile::create(target_);
    VB_ASSERT_OK(file);
    VB_ASSERT_OK(file->write("half"));
    EXPECT_EQ(n_files(), 2u);
  }
  EXPECT_EQ(target_text(), "old");
  EXPECT_EQ(n_files(), 1u);
}

TEST_F(AtomicFileTest, ShortWritesAreContinued) {
  FaultyFileOps ops;
  ops.max_write_bytes = 3;
  VB_ASSERT_OK(write_file_atomic(target_, "0123456789", ops));
  EXPECT_EQ(target_text(), "0123456789");
}

TEST_F(AtomicFileTest, InterruptedCallsAreRetried) {
  for (const char* call : {"open", "write", "fsync", "rename", "close"}) {
    FaultyFileOps ops({.call = call, .nth = 0, .error_number = EINTR});
    VB_ASSERT_OK(write_file_atomic(target_, call, ops));
    EXPECT_EQ(target_text(), call);
    EXPECT_EQ(ops.n_open(), 0);
  }
}

TEST_F(AtomicFileTest, AnyFailureBeforeTheRenameLeavesTheOldFileAlone) {
  const FaultyFileOps::Fault faults[] = {{"open", 0, EACCES},  {"open", 0, EMFILE},  {"write", 0, ENOSPC},
                                         {"write", 2, ENOSPC}, {"write", 1, EIO},    {"write", 1, 0, 99},
                                         {"open", 1, EACCES},  {"fsync", 0, EIO},    {"fsync", 0, ENOSPC},
                                         {"close", 0, EIO},    {"rename", 0, EXDEV}, {"rename", 0, ENOSPC}};
  for (const auto& fault : faults) {
    SCOPED_TRACE(format("{} number {} fails with {}", fault.call, fault.nth, fault.error_number));
    FaultyFileOps ops(fault);
    ops.max_write_bytes = 4;
    const auto written = write_file_atomic(target_, "0123456789ab", ops);
    ASSERT_FALSE(written);
    EXPECT_THAT(describe(written.error()), ::testing::HasSubstr("report.json"));
    const bool is_full = fault.error_number == ENOSPC || fault.error_number == EMFILE || fault.error_number == 0;
    EXPECT_EQ(written.error().code, is_full ? ErrorCode::resource : ErrorCode::io);
    EXPECT_EQ(target_text(), "old");
    EXPECT_EQ(n_files(), 1u);
    EXPECT_EQ(ops.n_open(), 0);
  }
}

TEST_F(AtomicFileTest, FailedSyncOfTheFolderIsReportedWithTheNewFileInPlace) {
  FaultyFileOps ops({.call = "fsync", .nth = 1, .error_number = EIO});
  const auto written = write_file_atomic(target_, "new", ops);
  ASSERT_FALSE(written);
  EXPECT_THAT(describe(written.error()), ::testing::HasSubstr("the new file is in place"));
  EXPECT_EQ(target_text(), "new");
  EXPECT_EQ(n_files(), 1u);
}

TEST_F(AtomicFileTest, FileSystemWithoutFolderSyncIsFine) {
  FaultyFileOps ops({.call = "fsync", .nth = 1, .error_number = EINVAL});
  VB_EXPECT_OK(write_file_atomic(target_, "new", ops));
}

TEST_F(AtomicFileTest, NothingMoreAfterAFailureOrACommit) {
  FaultyFileOps ops({.call = "write", .nth = 0, .error_number = ENOSPC});
  auto failed = AtomicFile::create(target_, ops);
  VB_ASSERT_OK(failed);
  EXPECT_FALSE(failed->write("a"));
  EXPECT_FALSE(failed->write("b"));
  EXPECT_FALSE(failed->commit());
  auto done = AtomicFile::create(target_);
  VB_ASSERT_OK(done);
  VB_ASSERT_OK(done->commit());
  EXPECT_FALSE(done->write("late"));
  EXPECT_FALSE(done->commit());
  EXPECT_EQ(target_text(), "");
}

TEST_F(AtomicFileTest, TwoWritersOfOneTargetDoNotShareATemporary) {
  auto first = AtomicFile::create(target_);
  auto second = AtomicFile::create(target_);
  VB_ASSERT_OK(first);
  VB_ASSERT_OK(second);
  VB_ASSERT_OK(first->write("first"));
  VB_ASSERT_OK(second->write("second"));
  VB_ASSERT_OK(first->commit());
  EXPECT_EQ(target_text(), "first");
  VB_ASSERT_OK(second->commit());
  EXPECT_EQ(target_text(), "second");
  EXPECT_EQ(n_files(), 1u);
}

TEST_F(AtomicFileTest, AssignmentDropsTheUnfinishedFile) {
  auto first = AtomicFile::create(folder_ / "one");
  auto second = AtomicFile::create(folder_ / "two");
  VB_ASSERT_OK(first);
  VB_ASSERT_OK(second);
  *first = std::move(*second);
  VB_ASSERT_OK(first->commit());
  EXPECT_TRUE(std::filesystem::exists(folder_ / "two"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "one"));
  EXPECT_EQ(n_files(), 2u);
}

TEST_F(AtomicFileTest, KeepsTheModeOfTheReplacedFileAndTakesLongNames) {
  ASSERT_EQ(::chmod(target_.c_str(), 0600), 0);
  VB_ASSERT_OK(write_file_atomic(target_, "new"));
  EXPECT_EQ(std::filesystem::status(target_).permissions(), std::filesystem::perms(0600));
  VB_EXPECT_OK(write_file_atomic(folder_ / std::string(255, 'n'), "x"));
}

TEST_F(AtomicFileTest, RefusesMissingFoldersAndNamelessTargets) {
  EXPECT_EQ(write_file_atomic(folder_ / "no" / "file", "x").error().code, ErrorCode::not_found);
  EXPECT_EQ(write_file_atomic(folder_.path() / "", "x").error().code, ErrorCode::invalid_input);
}

TEST_F(AtomicFileTest, LeftoversOfAKilledProcessCanBeFoundAndRemoved) {
  FaultyFileOps ops({.call = "unlink", .nth = 0, .error_number = EIO});  // as if killed before the removal
  { VB_ASSERT_OK(AtomicFile::create(target_, ops)); }
  ASSERT_EQ(n_files(), 2u);
  EXPECT_FALSE(is_temporary_file(target_));
  VB_ASSERT_OK(remove_temporary_files(folder_.path()));
  EXPECT_EQ(n_files(), 1u);
  EXPECT_EQ(target_text(), "old");
  EXPECT_EQ(remove_temporary_files(folder_ / "none").error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace vauban
