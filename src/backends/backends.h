/// The list of backends. To add one: a folder with an Ops implementation, and a line in backends.cpp.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "ops/ops.h"

namespace vauban {

struct BackendEntry {
  std::string_view id;       ///< "reference", "cpu"
  std::string_view summary;
  std::vector<std::string_view> devices;
  /// Errors: unsupported for an absent device or instruction set.
  Result<std::unique_ptr<Ops>> (*make)(const Context& context, std::string_view device);
};

std::span<const BackendEntry> all_backends();
/// Errors: not_found with the known ids. An empty device means the backend's first.
Result<std::unique_ptr<Ops>> make_backend(std::string_view id, const Context& context, std::string_view device = {});

}  // namespace vauban
