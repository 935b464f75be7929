/// The backends that this build has, and the devices they are tested on: what tests that walk all backends are
/// parameterised with.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "backends/backends.h"
#include "base/strings.h"
#include "support/place.h"

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

/// Every backend on its first device; then on each device that VAUBAN_TEST_DEVICES names ("cuda:0,mps") the backends that
/// know its kind. Named and not looked for: looking loads LibTorch in every process of every test. One that is named and
/// absent fails its tests.
inline std::vector<Place> places_here() {
  std::vector<Place> places;
  for (const std::string& id : backends_here()) places.push_back({id, ""});
  const std::vector<std::string> here = backends_here();
  const char* named = std::getenv("VAUBAN_TEST_DEVICES");
  for (const std::string_view part : split(named ? named : "", ',')) {
    const std::string_view device = trim(part), kind = device.substr(0, device.find(':'));
    for (const BackendEntry& entry : all_backends())
      if (std::ranges::find(entry.devices, kind) != entry.devices.end() && std::ranges::find(here, entry.id) != here.end())
        places.push_back({std::string(entry.id), std::string(device)});
  }
  return places;
}

}  // namespace vauban::test
