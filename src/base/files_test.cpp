#include "base/files.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

#include "base/sha256.h"
#include "support/test_data.h"

namespace vauban {
namespace {

void put(const std::filesystem::path& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST(MappedFile, ShowsTheBytesAndOutlivesTheName) {
  const test::TempDir folder;
  put(folder / "a", std::string("x\0y", 3));
  const auto file = MappedFile::open(folder / "a");
  VB_ASSERT_OK(file);
  std::filesystem::remove(folder / "a");
  EXPECT_EQ(text_of(**file), std::string("x\0y", 3));
  EXPECT_EQ((*file)->path(), folder / "a");
}

TEST(MappedFile, TakesAnEmptyFile) {
  const test::TempDir folder;
  put(folder / "empty", "");
  const auto file = MappedFile::open(folder / "empty");
  VB_ASSERT_OK(file);
  EXPECT_TRUE((*file)->bytes().empty());
}

TEST(MappedFile, RefusesMissingFilesFoldersAndPipes) {
  const test::TempDir folder;
  const auto missing = MappedFile::open(folder / "none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().message, ::testing::HasSubstr((folder / "none").string()));
  EXPECT_EQ(MappedFile::open(folder.path()).error().code, ErrorCode::invalid_input);
  EXPECT_EQ(MappedFile::open("/dev/null").error().code, ErrorCode::invalid_input);
  EXPECT_EQ(MappedFile::open(folder / "none" / "below").error().code, ErrorCode::not_found);
}

TEST(ReadFile, ReadsWholeFilesOfAnySize) {
  const test::TempDir folder;
  for (const std::size_t size : {0u, 1u, 65535u, 65536u, 65537u, 300000u}) {
    const std::string text(size, 'z');
    put(folder / "a", text);
    EXPECT_EQ(read_file(folder / "a").value(), text);
  }
}

TEST(ReadFile, HoldsItsLimit) {
  const test::TempDir folder;
  put(folder / "a", std::string(100, 'z'));
  VB_EXPECT_OK(read_file(folder / "a", 100));
  const auto refused = read_file(folder / "a", 99);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::resource);
}

TEST(ReadFile, ReadsPipesWithinTheLimit) {
  const test::TempDir folder;
  const auto pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::string text(200000, 'p');
  for (const std::size_t limit : {text.size(), text.size() - 1}) {
    std::thread writer([&] {
      const auto file = std::unique_ptr<std::FILE, int (*)(std::FILE*)>(std::fopen(pipe.c_str(), "w"), std::fclose);
      std::fwrite(text.data(), 1, text.size(), file.get());
    });
    const auto read = read_file(pipe, limit);
    writer.join();
    EXPECT_EQ(read.has_value(), limit == text.size());
  }
}

/// Ends a wait as Ctrl-C does: by a signal that has a handler.
class Interrupt {
 public:
  Interrupt() : before_(std::signal(SIGUSR1, [](int) {})), reader_(::pthread_self()) {}
  ~Interrupt() {
    done_ = true;
    sender_.join();
    std::signal(SIGUSR1, before_);
  }

 private:
  void (*before_)(int);
  pthread_t reader_;
  std::atomic<bool> done_{false};
  // Again and again: one that comes before the wait ends nothing.
  std::thread sender_{[this] {
    while (!done_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ::pthread_kill(reader_, SIGUSR1);
    }
  }};
};

TEST(ReadFile, AWaitForAPipeEndsWithASignal) {
  const test::TempDir folder;
  const auto pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const Interrupt interrupt;
  const auto read = read_file(pipe);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::cancelled);
  EXPECT_THAT(read.error().message, ::testing::HasSubstr(pipe.string()));
}

TEST(ReadFile, WaitsForALateWriter) {
  const test::TempDir folder;
  const auto pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::ofstream out(pipe);
    out << "late " << std::flush;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    out << "but whole";
  });
  const auto read = read_file(pipe);
  writer.join();
  VB_ASSERT_OK(read);
  EXPECT_EQ(*read, "late but whole");
}

TEST(ReadFile, RefusesDevicesAndSocketsByName) {
  const test::TempDir folder;
  const auto socket = folder / "socket";
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(socket.string().size(), sizeof(address.sun_path));
  std::ranges::copy(socket.string(), address.sun_path);
  ASSERT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
  for (const std::filesystem::path& path : {socket, std::filesystem::path("/dev/zero"), std::filesystem::path("/dev/urandom")}) {
    const auto read = read_file(path);
    ASSERT_FALSE(read) << path;
    EXPECT_EQ(read.error().code, ErrorCode::invalid_input);
    EXPECT_THAT(read.error().message, ::testing::HasSubstr(path.string()));
    EXPECT_FALSE(MappedFile::open(path));
    EXPECT_FALSE(sha256_file(path.string()));
  }
}

TEST(ReadFile, WhatIsReadAgainOrMappedIsNoPipe) {
  const test::TempDir folder;
  const auto pipe = folder / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);  // nobody writes: none of these may wait
  for (const Error& error : {MappedFile::open(pipe).error(), sha256_file(pipe.string()).error(), AppendLog::open(pipe).error()}) {
    EXPECT_EQ(error.code, ErrorCode::invalid_input);
    EXPECT_THAT(error.message, ::testing::HasSubstr("regular file"));
  }
}

TEST(ReadFile, NamesTheMissingFile) {
  const auto missing = read_file("/nowhere/at/all");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().message, ::testing::HasSubstr("/nowhere/at/all"));
}

}  // namespace
}  // namespace vauban
