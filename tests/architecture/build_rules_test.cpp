/// The build takes packages from the distribution by name: nothing is downloaded, vendored or run in Python.

#include <gtest/gtest.h>

#include <regex>

#include "architecture/source_tree.h"
#include "support/test_data.h"

namespace vauban::test {
namespace {

/// The first forbidden thing in the text of a build file, or "".
std::string forbidden_in(const std::string& text) {
  static const std::regex patterns(
      R"((FetchContent|ExternalProject|CPMAddPackage|git\s+submodule|file\s*\(\s*DOWNLOAD|find_package\s*\(\s*Python|\bpython3?\b|\bpip3?\s+install\b|\bcurl\s|\bwget\s))",
      std::regex::icase);
  std::smatch match;
  return std::regex_search(text, match, patterns) ? match.str() : "";
}

std::vector<std::filesystem::path> build_files() {
  std::vector<std::filesystem::path> found{source_dir() / "CMakeLists.txt", source_dir() / "CMakePresets.json",
                                           source_dir() / "Makefile", source_dir() / ".ci/run"};
  for (const char* folder : {"src", "tests", "cmake", "bench"})
    for (const auto& file : files_below(folder, {".txt", ".cmake"}))
      if (file.filename() == "CMakeLists.txt" || file.extension() == ".cmake") found.push_back(file);
  for (const auto& file : files_below("scripts", {"", ".sh"})) found.push_back(file);
  return found;
}

TEST(BuildRules, NothingIsFetchedOrRunInPython) {
  const auto files = build_files();
  EXPECT_GT(files.size(), 20u);
  for (const auto& file : files) EXPECT_EQ(forbidden_in(read_text(file)), "") << file.string();
}

TEST(BuildRules, NoSubmodules) { EXPECT_FALSE(std::filesystem::exists(source_dir() / ".gitmodules")); }

TEST(BuildRules, PythonLivesOnlyWithThePeers) {
  for (const char* folder : {"src", "include", "scripts", "cmake", "bench", "examples", "suites", "models"})
    EXPECT_TRUE(files_below(folder, {".py"}).empty()) << folder;
  for (const auto& file : files_below("tests", {".py"}))
    EXPECT_NE(file.string().find("/tests/peers/"), std::string::npos) << file.string();
}

TEST(BuildRules, CatchPlantedViolations) {
  EXPECT_NE(forbidden_in("include(FetchContent)\n"), "");
  EXPECT_NE(forbidden_in("ExternalProject_Add(llama)\n"), "");
  EXPECT_NE(forbidden_in("add_custom_command(COMMAND python3 gen.py)\n"), "");
  EXPECT_NE(forbidden_in("find_package(Python3 REQUIRED)\n"), "");
  EXPECT_NE(forbidden_in("git submodule update --init\n"), "");
  EXPECT_EQ(forbidden_in("find_package(GTest REQUIRED)\n"), "");
}

/// A default that a forwarding object does not hand on is the wrong object's: what a test sees would not be the backend.
TEST(ForwardingOps, HandsOnEveryOperation) {
  const std::string ops = read_text(source_dir() / "src/ops/ops.h"),
                    forwarding = read_text(source_dir() / "src/ops/forwarding_ops.h");
  const std::string interface = ops.substr(ops.find("class Ops {"));
  static const std::regex pattern(R"(virtual [^;{]*?(\w+)\()");
  std::size_t found = 0;
  for (std::sregex_iterator it(interface.begin(), interface.end(), pattern), end; it != end; ++it, ++found) {
    const std::string name = (*it)[1].str();
    if (name == "Ops") continue;  // the destructor
    EXPECT_NE(forwarding.find(" " + name + "("), std::string::npos) << name;
  }
  EXPECT_GT(found, 30u);
}

}  // namespace
}  // namespace vauban::test
