/// What the architecture tests read: the tracked text of the project, and its #include lines.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace vauban::test {

struct Include {
  std::string target;  ///< as written between the quotes or brackets
  bool angled = false;
  int line = 0;
};

/// Every file below `folder` (relative to the project) with one of the extensions.
std::vector<std::filesystem::path> files_below(const std::string& folder, const std::vector<std::string>& extensions);
std::vector<Include> includes_in(const std::string& source);
std::vector<Include> includes_of(const std::filesystem::path& file);

/// The layer that an include target belongs to: "trace/recorder.h" and "vauban/trace.h" are both "trace"; "" if none.
std::string layer_of_include(const std::string& target);

}  // namespace vauban::test
