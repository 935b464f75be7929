/// Place: where a test runs its operations.
#pragma once

#include <algorithm>
#include <cctype>
#include <ostream>
#include <string>

namespace vauban::test {

/// A backend on one of its devices; "" is its first.
struct Place {
  std::string backend, device;
  /// "torch", "torch_cuda_1".
  std::string name() const {
    std::string out = device.empty() ? backend : backend + "_" + device;
    std::ranges::replace_if(out, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
    return out;
  }
};
inline void PrintTo(const Place& place, std::ostream* out) { *out << place.name(); }

}  // namespace vauban::test
