/// Where tests find real data, and how they skip without it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace vauban::test {

inline std::filesystem::path shared_data() { return VAUBAN_SHARED_DATA; }
inline std::filesystem::path source_dir() { return VAUBAN_SOURCE_DIR; }

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// A fresh folder that is removed with the object.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vauban-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace vauban::test

/// Skips the test, with the reason, when `relative` is absent from the shared data.
#define VB_NEED_SHARED(relative)                                                             \
  if (!std::filesystem::exists(::vauban::test::shared_data() / (relative)))                  \
  GTEST_SKIP() << "shared data '" << (relative) << "' is not beside this clone (set VAUBAN_SHARED_DATA)"

/// Asserts that a Result holds a value, printing the error otherwise. Include "base/result.h" before use.
#define VB_ASSERT_OK(result) ASSERT_TRUE((result).has_value()) << ::vauban::describe((result).error())
#define VB_EXPECT_OK(result) EXPECT_TRUE((result).has_value()) << ::vauban::describe((result).error())
