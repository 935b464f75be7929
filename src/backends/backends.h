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
  /// With gradients, in the numerics "f32", "bf16" or "f16". Errors: also unsupported for numerics it does not have.
  Result<std::unique_ptr<Ops>> (*make_training)(const Context& context, std::string_view device,
                                                std::string_view numerics);
  /// The same, taking a training step's memory without computing. Null where a backend cannot tell beforehand.
  Result<std::unique_ptr<Ops>> (*make_rehearsal)(const Context& context, std::string_view numerics);
};

std::span<const BackendEntry> all_backends();
/// Errors: not_found with the known ids. An empty device means the backend's first.
Result<std::unique_ptr<Ops>> make_backend(std::string_view id, const Context& context, std::string_view device = {});

/// Errors: also unsupported for a backend that cannot rehearse.
Result<std::unique_ptr<Ops>> make_training_rehearsal(std::string_view id, const Context& context,
                                                     std::string_view numerics);
/// Errors: the same, and those of make_training.
Result<std::unique_ptr<Ops>> make_training_backend(std::string_view id, const Context& context, std::string_view device,
                                                   std::string_view numerics);

}  // namespace vauban
