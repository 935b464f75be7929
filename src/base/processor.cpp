#include "base/processor.h"

#include <fstream>

#include "base/strings.h"

namespace vauban {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (const auto colon = line.find(':'); colon != std::string::npos && line.starts_with("model name"))
      return std::string(trim(std::string_view(line).substr(colon + 1)));
  return "unknown";
}

}  // namespace vauban
