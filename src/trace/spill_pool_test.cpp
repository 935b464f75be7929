#include "trace/spill_pool.h"

#include <cerrno>
#include <gtest/gtest.h>

#include "support/test_data.h"

namespace vauban {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_of(SpillPool& pool, SpillPool::Log log) {
  const auto contents = pool.read(log).value();
  return {reinterpret_cast<const char*>(contents.bytes.data()), contents.bytes.size()};
}

TEST(SpillPool, LogsInterleaveAndKeepTheirBytes) {
  const test::TempDir folder;
  for (const std::size_t limit : {std::size_t{1000}, std::size_t{7}, std::size_t{0}}) {
    SpillPool pool(limit, folder.path());
    const auto a = pool.open(), b = pool.open(), empty = pool.open();
    std::string expected_a, expected_b;
    for (int i = 0; i < 20; ++i) {
      const std::string piece(static_cast<std::size_t>(i % 4), static_cast<char>('a' + i));
      ASSERT_TRUE(pool.append(a, bytes_of(piece)));
      ASSERT_TRUE(pool.append(b, bytes_of(piece + "!")));
      expected_a += piece;
      expected_b += piece + "!";
    }
    EXPECT_EQ(pool.spilled(), limit < 100);
    EXPECT_EQ(pool.size_bytes(a), expected_a.size());
    EXPECT_EQ(text_of(pool, a), expected_a);
    EXPECT_EQ(text_of(pool, b), expected_b);
    EXPECT_EQ(text_of(pool, empty), "");
    ASSERT_TRUE(pool.append(a, bytes_of("more")));
    EXPECT_EQ(text_of(pool, a), expected_a + "more");
    pool.discard(b);
    EXPECT_EQ(text_of(pool, a), expected_a + "more");
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

/// The disk is full after `room` bytes; every write is short.
class FullDisk final : public FileOps {
 public:
  explicit FullDisk(std::size_t room) : room_(room) {}
  int open(const char* path, int flags, unsigned mode) override { return real_file_ops().open(path, flags, mode); }
  long write(int fd, const void* data, std::size_t size) override {
    if (room_ == 0) {
      errno = ENOSPC;
      return -1;
    }
    const std::size_t some = std::min({size, room_, std::size_t{3}});
    room_ -= some;
    return real_file_ops().write(fd, data, some);
  }
  int fsync(int fd) override { return real_file_ops().fsync(fd); }
  int close(int fd) override { return real_file_ops().close(fd); }
  int rename(const char* from, const char* to) override { return real_file_ops().rename(from, to); }
  int unlink(const char* path) override { return real_file_ops().unlink(path); }

 private:
  std::size_t room_;
};

TEST(SpillPool, ShortWritesAreContinued) {
  const test::TempDir folder;
  FullDisk ops(1000);
  SpillPool pool(0, folder.path(), ops);
  const auto log = pool.open();
  ASSERT_TRUE(pool.append(log, bytes_of("eleven byte")));
  EXPECT_EQ(text_of(pool, log), "eleven byte");
}

TEST(SpillPool, AFullDiskIsAnErrorWithAHint) {
  const test::TempDir folder;
  FullDisk ops(5);
  {
    SpillPool pool(0, folder.path(), ops);
    const auto appended = pool.append(pool.open(), bytes_of("eleven byte"));
    ASSERT_FALSE(appended);
    EXPECT_EQ(appended.error().code, ErrorCode::resource);
    EXPECT_FALSE(appended.error().hint.empty());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(SpillPool, AFolderThatDoesNotExistIsAnError) {
  SpillPool pool(0, "/nonexistent/folder");
  EXPECT_FALSE(pool.append(pool.open(), bytes_of("x")));
}

}  // namespace
}  // namespace vauban
