#include "base/files.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>

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

TEST(ReadFile, NamesTheMissingFile) {
  const auto missing = read_file("/nowhere/at/all");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
  EXPECT_THAT(missing.error().message, ::testing::HasSubstr("/nowhere/at/all"));
}

}  // namespace
}  // namespace vauban
