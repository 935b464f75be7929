/// Declaration: everything that one backend says about itself, gathered from the code that says it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vauban/trace.h"

namespace vauban::test {

struct Declaration {
  std::string backend;
  std::vector<std::string> device_kinds;      ///< that the backend can run on, where a machine has them
  DeviceRef device;                           ///< that was opened here
  Capability capability;                      ///< of the small model on that device
  std::map<std::string, Capability> on_kind;  ///< by device kind: what the same code says on such a device
  Support forward;                            ///< every operation that an architecture cannot do without
  Support backward;                           ///< the same, with gradients
  Support sites;                              ///< every value that the small model's architecture has can be observed
  bool has_device(std::string_view kind) const;
};

/// `model`: folder of the small model. Errors: those of opening it.
Result<Declaration> declare(std::string_view backend, std::string_view device, const std::filesystem::path& model);

/// The weaker of two; of equal ones the first.
Support weaker(const Support& a, const Support& b);

}  // namespace vauban::test
