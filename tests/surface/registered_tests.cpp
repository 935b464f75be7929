#include "surface/registered_tests.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "base/strings.h"

namespace vauban::test {
namespace {

/// Of "Prefix/Suite.Name/parameter": whether it is this test, and its parameter.
bool is_of(std::string_view registered, std::string_view name, std::string_view& parameter) {
  const std::size_t begin = registered.find('/'), end = registered.rfind('/');
  if (begin == std::string_view::npos || begin == end) return false;
  parameter = registered.substr(end + 1);
  return registered.substr(begin + 1, end - begin - 1) == name;
}

/// Parameters name their backend between underscores: "torch", "cpu_avx512", "llama_reference".
bool names(std::string_view parameter, std::string_view backend) {
  const auto words = split(parameter, '_');
  return std::ranges::find(words, backend) != words.end();
}

std::string quoted_for_shell(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (!pipe) return out;
  std::array<char, 4096> block;
  for (std::size_t n; (n = std::fread(block.data(), 1, block.size(), pipe)) > 0;) out.append(block.data(), n);
  ::pclose(pipe);
  return out;
}

/// gtest's list: "Suite." and below it "  Name", behind either "  # " and what its parameter is.
void add_listed(std::set<std::string>& found, std::string_view list) {
  std::string suite;
  for (std::string_view line : split(list, '\n')) {
    line = line.substr(0, line.find("  #"));
    if (line.starts_with("  ")) {
      found.insert(suite + std::string(line.substr(2)));
    } else {
      suite = line;
    }
  }
}

}  // namespace

std::set<std::string> registered_tests(std::string_view build) {
  namespace fs = std::filesystem;
  std::set<std::string> found;
  std::error_code absent;
  for (const auto& entry : fs::recursive_directory_iterator(build, absent)) {
    if (!entry.is_regular_file(absent) || !entry.path().filename().string().ends_with("_test")) continue;
    if ((entry.status(absent).permissions() & fs::perms::owner_exec) == fs::perms::none) continue;
    add_listed(found, output_of(quoted_for_shell(entry.path().string()) + " --gtest_list_tests"));
  }
  return found;
}

std::string missing_for(std::string_view name, const std::vector<std::string>& backends,
                        const std::set<std::string>& registered) {
  std::set<std::string_view> here;
  bool any = false;
  for (const std::string& test : registered) {
    std::string_view parameter;
    if (!is_of(test, name, parameter)) continue;
    any = any || names(parameter, "reference");  // else its parameters are no backends
    for (const std::string& backend : backends)
      if (names(parameter, backend)) {
        any = true;
        here.insert(backend);
      }
  }
  if (!any) return "";
  for (const std::string& backend : backends)
    if (!here.contains(backend)) return format("'{}' does not run on '{}'", name, backend);
  return "";
}

}  // namespace vauban::test
