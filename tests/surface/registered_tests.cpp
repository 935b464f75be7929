#include "surface/registered_tests.h"

#include <algorithm>
#include <filesystem>
#include <regex>

#include "base/strings.h"
#include "support/test_data.h"

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

}  // namespace

std::set<std::string> registered_tests(std::string_view build) {
  static const std::regex pattern(R"(add_test\(\[(=*)\[([^\]]+)\]\1\])");
  std::set<std::string> found;
  std::error_code absent;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(build, absent)) {
    if (!entry.path().filename().string().ends_with("_tests.cmake")) continue;
    const std::string text = read_text(entry.path());
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) {
      const std::string name = (*it)[2].str();
      found.insert(name.substr(0, name.find("  #")));  // behind it gtest prints the parameter
    }
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
