#include "train/checkpoint/checkpoint_folder.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/faulty_file_ops.h"
#include "support/test_data.h"
#include "train/checkpoint/checkpoint_samples_test.h"

namespace vauban {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointFolderTest : public ::testing::Test {
 protected:
  CheckpointFolder open(int keep_last, FileOps& ops = real_file_ops()) {
    auto folder = CheckpointFolder::open(path_, keep_last, ops);
    EXPECT_TRUE(folder) << describe(folder.error());
    return *std::move(folder);
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) found.push_back(entry.path().filename());
    std::sort(found.begin(), found.end());
    return found;
  }

  test::TempDir root_;
  std::filesystem::path path_ = root_ / "checkpoints";
  CheckpointSchema schema_ = test::schema_for(test::sample_state());
};

TEST_F(CheckpointFolderTest, KeepsTheLastOnesAndTheBest) {
  CheckpointFolder folder = open(2);
  for (const int step : {5, 10, 15, 20, 25}) {
    const auto saved = folder.save(test::sample_state(step), schema_, step == 10);
    VB_ASSERT_OK(saved);
    EXPECT_EQ(*folder.latest(), *saved);
  }
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step-000000010.safetensors", "step-000000020.safetensors",
                                   "step-000000025.safetensors"));
  EXPECT_EQ(folder.best()->filename(), "step-000000010.safetensors");
  VB_ASSERT_OK(folder.save(test::sample_state(30), schema_, true));
  EXPECT_THAT(names(), ElementsAre("best", "latest", "step-000000025.safetensors", "step-000000030.safetensors"));
}

TEST_F(CheckpointFolderTest, ResumedRunLeavesLaterCheckpointsUntilItOverwritesThem) {
  CheckpointFolder folder = open(1);
  std::ofstream(path_ / "step-000000040.safetensors") << "of the part that is repeated";
  std::ofstream(path_ / "step-7.safetensors") << "not ours";
  VB_ASSERT_OK(folder.save(test::sample_state(20), schema_));
  VB_ASSERT_OK(folder.save(test::sample_state(30), schema_));
  EXPECT_THAT(names(),
              ElementsAre("latest", "step-000000030.safetensors", "step-000000040.safetensors", "step-7.safetensors"));
  EXPECT_EQ(folder.latest()->filename(), "step-000000030.safetensors");
}

TEST_F(CheckpointFolderTest, EmptyAndDamagedPointersAreErrors) {
  CheckpointFolder folder = open(1);
  EXPECT_EQ(folder.latest().error().code, ErrorCode::not_found);
  EXPECT_EQ(folder.best().error().code, ErrorCode::not_found);
  for (const char* bad : {"", "../other.safetensors", "step-x.safetensors", "step-000000009.safetensors\n"}) {
    std::ofstream(path_ / "latest") << bad;
    EXPECT_EQ(folder.latest().error().code, ErrorCode::corrupt) << bad;
  }
  EXPECT_FALSE(CheckpointFolder::open(path_, 0));
}

TEST_F(CheckpointFolderTest, FullDiskLeavesLatestWhereItWas) {
  VB_ASSERT_OK(open(1).save(test::sample_state(1), schema_));
  for (int nth = 0; nth < 1000; ++nth) {
    test::FaultyFileOps ops({.call = "write", .nth = nth, .error_number = ENOSPC, .times = 1000});
    CheckpointFolder folder = open(1, ops);
    const auto saved = folder.save(test::sample_state(2), schema_);
    const auto latest = folder.latest();
    VB_ASSERT_OK(latest);
    VB_EXPECT_OK(load_checkpoint(*latest, schema_, test::kSameRun));
    if (saved) break;
    EXPECT_EQ(saved.error().code, ErrorCode::resource);
    EXPECT_EQ(latest->filename(), "step-000000001.safetensors");
  }
  EXPECT_THAT(names(), ElementsAre("latest", "step-000000002.safetensors"));
}

TEST_F(CheckpointFolderTest, FailedRemovalSaysThatTheCheckpointIsSaved) {
  VB_ASSERT_OK(open(1).save(test::sample_state(1), schema_));
  test::FaultyFileOps ops({.call = "unlink", .nth = 0, .error_number = EACCES});
  CheckpointFolder folder = open(1, ops);
  const auto saved = folder.save(test::sample_state(2), schema_);
  ASSERT_FALSE(saved);
  EXPECT_THAT(describe(saved.error()), HasSubstr("step-000000002.safetensors is saved"));
  EXPECT_EQ(folder.latest()->filename(), "step-000000002.safetensors");
}

TEST_F(CheckpointFolderTest, OpeningRemovesWhatAKilledWriterLeft) {
  std::filesystem::create_directories(path_);
  test::FaultyFileOps ops({.call = "unlink", .nth = 0, .error_number = EIO});
  { VB_ASSERT_OK(AtomicFile::create(path_ / "latest", ops)); }
  EXPECT_EQ(names().size(), 1u);
  open(1);
  EXPECT_TRUE(names().empty());
}

}  // namespace
}  // namespace vauban
