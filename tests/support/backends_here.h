/// The backends that this build has: what tests that walk all backends are parameterised with.
#pragma once

#include <string>
#include <vector>

#include "backends/backends.h"

namespace vauban::test {

inline std::vector<std::string> backends_here() {
  std::vector<std::string> ids;
  for (const BackendEntry& entry : all_backends()) {
#ifndef VAUBAN_TEST_TORCH  // set where the module is built (vauban_test_backends)
    if (entry.id == "torch") continue;
#endif
    ids.emplace_back(entry.id);
  }
  return ids;
}

}  // namespace vauban::test
