#include "app/own_input.h"

#include <algorithm>

namespace vauban {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 2;  // files of a model lie in its folder, or in one below

bool is_same(const fs::path& a, const fs::path& b) {
  std::error_code failed;
  return fs::equivalent(a, b, failed) && !failed;
}

bool holds(const fs::path& folder, const fs::path& out) {
  std::error_code failed;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, failed);
  for (; !failed && it != fs::recursive_directory_iterator(); it.increment(failed)) {
    if (it.depth() >= kMaxDepth) it.disable_recursion_pending();
    if (is_same(it->path(), out)) return true;
  }
  return false;
}

bool is_input(const fs::path& input, const fs::path& out) {
  std::error_code absent;
  return is_same(input, out) || (fs::is_directory(input, absent) && holds(input, out));
}

/// The whole, and what stands between its '+'.
std::vector<fs::path> paths_in(const std::string& argument) {
  std::vector<fs::path> paths{argument};
  for (std::size_t begin = 0; begin <= argument.size();) {
    const std::size_t end = std::min(argument.find('+', begin), argument.size());
    paths.emplace_back(argument.substr(begin, end - begin));
    begin = end + 1;
  }
  return paths;
}

}  // namespace

Result<void> refuse_own_input(const fs::path& out, const std::vector<std::string>& inputs) {
  std::error_code absent;
  if (!fs::exists(out, absent)) return ok();
  for (const std::string& input : inputs)
    for (const fs::path& path : paths_in(input))
      if (!path.empty() && is_input(path, out)) return invalid_input("the output {} is the input", out.string());
  return ok();
}

}  // namespace vauban
