#include "architecture/source_tree.h"

#include <algorithm>
#include <map>
#include <regex>
#include <sstream>

#include "support/test_data.h"

namespace vauban::test {

std::vector<std::filesystem::path> files_below(const std::string& folder, const std::vector<std::string>& extensions) {
  std::vector<std::filesystem::path> found;
  const std::filesystem::path root = source_dir() / folder;
  if (!std::filesystem::exists(root)) return found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    const std::string extension = entry.path().extension();
    if (entry.is_regular_file() && std::find(extensions.begin(), extensions.end(), extension) != extensions.end())
      found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<Include> includes_in(const std::string& source) {
  static const std::regex pattern(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::vector<Include> found;
  std::istringstream lines(source);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::smatch match;
    if (std::regex_search(line, match, pattern)) found.push_back({match[2], match[1] == "<", number});
  }
  return found;
}

std::vector<Include> includes_of(const std::filesystem::path& file) { return includes_in(read_text(file)); }

std::string layer_of_include(const std::string& target) {
  static const std::map<std::string, std::string> public_headers{
      {"result.h", "base"},   {"json.h", "base"},  {"primitive.h", "ops_contract"}, {"site.h", "trace"},
      {"trace.h", "trace"},   {"runtime.h", "runtime"}, {"claim.h", "claim"},
      {"weight_edit.h", "trace"},
  };
  const std::size_t slash = target.find('/');
  if (slash == std::string::npos) return "";
  const std::string head = target.substr(0, slash);
  if (head != "vauban") return head;
  const auto entry = public_headers.find(target.substr(slash + 1));
  return entry == public_headers.end() ? "unlisted public header " + target : entry->second;
}

}  // namespace vauban::test
