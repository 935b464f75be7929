/// F-CKPT-009: a writer that is killed leaves the old checkpoint or the new one.
#include <csignal>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/faulty_file_ops.h"
#include "base/rng.h"
#include "support/test_data.h"
#include "train/checkpoint/checkpoint_folder.h"
#include "train/checkpoint/checkpoint_samples_test.h"

namespace vauban {
namespace {

using test::kSameRun;

/// The operating system, until call number `nth`: half of it is done if it is a write, then the process is killed.
class KillingFileOps final : public FileOps {
 public:
  explicit KillingFileOps(int nth) : left_(nth) {}
  int open(const char* path, int flags, unsigned mode) override {
    count();
    return real_file_ops().open(path, flags, mode);
  }
  long write(int fd, const void* data, std::size_t size) override {
    if (left_ == 0) (void)real_file_ops().write(fd, data, size / 2);
    count();
    return real_file_ops().write(fd, data, std::min<std::size_t>(size, 512));
  }
  int fsync(int fd) override {
    count();
    return real_file_ops().fsync(fd);
  }
  int close(int fd) override {
    count();
    return real_file_ops().close(fd);
  }
  int rename(const char* from, const char* to) override {
    count();
    return real_file_ops().rename(from, to);
  }
  int unlink(const char* path) override {
    count();
    return real_file_ops().unlink(path);
  }

 private:
  void count() {
    if (left_-- == 0) (void)::raise(SIGKILL);
  }
  int left_;
};

/// Runs `body` in a child; true when it was killed, false when it came to its end.
template <class Body>
bool killed(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

TEST(CheckpointKillContract, F_CKPT_009_KilledAtAnyCallTheFileIsOldOrNew) {
  const TrainingState old_state = test::sample_state(1), new_state = test::sample_state(2);
  const CheckpointSchema schema = test::schema_for(old_state);
  int n_old = 0, n_new = 0;
  for (int nth = 0;; ++nth) {
    const test::TempDir folder;
    const auto path = folder / "run.safetensors";
    VB_ASSERT_OK(save_checkpoint(path, old_state, schema));
    const bool was_killed = killed([&] {
      KillingFileOps ops(nth);
      (void)save_checkpoint(path, new_state, schema, ops);
    });
    const auto loaded = load_checkpoint(path, schema, kSameRun);
    VB_ASSERT_OK(loaded);
    ++(loaded->step == 1 ? n_old : n_new);
    const auto& expected = loaded->step == 1 ? old_state : new_state;
    for (const auto& [name, tensor] : expected.weights) EXPECT_TRUE(test::same_bytes(tensor, loaded->weights.at(name)));
    if (!was_killed) break;
    ASSERT_LT(nth, 1000);
  }
  EXPECT_GT(n_old, 10);  // open, some writes, syncs
  EXPECT_GE(n_new, 3);   // after the rename: sync and close of the folder, and the undisturbed end
}

TEST(CheckpointKillContract, F_CKPT_009_KilledFolderAlwaysHasAWholeLatest) {
  const CheckpointSchema schema = test::schema_for(test::sample_state());
  for (int nth = 0;; ++nth) {
    const test::TempDir root;
    {
      auto folder = CheckpointFolder::open(root / "c", 1);
      VB_ASSERT_OK(folder);
      VB_ASSERT_OK(folder->save(test::sample_state(1), schema));
    }
    const bool was_killed = killed([&] {
      KillingFileOps ops(nth);
      auto folder = CheckpointFolder::open(root / "c", 1, ops);
      if (folder) (void)folder->save(test::sample_state(2), schema, true);
    });
    const auto again = CheckpointFolder::open(root / "c", 1);
    VB_ASSERT_OK(again);
    const auto latest = again->latest();
    VB_ASSERT_OK(latest);
    VB_EXPECT_OK(load_checkpoint(*latest, schema, kSameRun));
    for (const auto& entry : std::filesystem::directory_iterator(root / "c")) EXPECT_FALSE(is_temporary_file(entry));
    if (!was_killed) break;
    ASSERT_LT(nth, 1000);
  }
}

/// Waits in steps of 100 microseconds; the moments of the kills are random, the verdict does not depend on them.
TEST(CheckpointKillContract, F_CKPT_009_KilledAtRandomPointsTheFileIsWhole) {
  constexpr std::uint64_t kSeed = 20240611;
  SCOPED_TRACE(kSeed);
  Rng rng(kSeed);
  const test::TempDir folder;
  const auto path = folder / "run.safetensors";
  const TrainingState states[] = {test::sample_state(1), test::sample_state(2)};
  const CheckpointSchema schema = test::schema_for(states[0]);
  VB_ASSERT_OK(save_checkpoint(path, states[0], schema));
  for (int round = 0; round < 30; ++round) {
    const pid_t child = ::fork();
    if (child == 0)
      for (int i = 0;; ++i) (void)save_checkpoint(path, states[i % 2], schema);
    ::usleep(static_cast<useconds_t>(100 * (1 + rng.below(60))));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    const auto loaded = load_checkpoint(path, schema, kSameRun);
    VB_ASSERT_OK(loaded);
    VB_ASSERT_OK(remove_temporary_files(folder.path()));
  }
}

}  // namespace
}  // namespace vauban
