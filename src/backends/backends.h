/// The list of backends. To add one: a folder with an Ops implementation, and a line in backends.cpp.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "ops/ops.h"

namespace vauban {

struct BackendOptions {
  /// "cuda:1"; or a list, "cuda,cpu": the first that is there. Empty: the backend's first.
  std::string device;
  std::string numerics = "exact";  ///< "exact", "native", "fast"
  /// Code path of the activation primitive: "auto" (the backend's default), or one of BackendEntry::primitives.
  std::string primitive = "auto";
};

struct BackendEntry {
  std::string_view id;       ///< "reference", "cpu"
  std::string_view summary;
  std::vector<std::string_view> devices;   ///< kinds that it can run on where the machine has them
  std::vector<std::string_view> numerics;  ///< that make() accepts
  std::vector<std::string_view> primitives;  ///< paths of the activation primitive, where there is a choice
  /// Of this machine, the first one first: "cpu", "cuda:0". Errors: unsupported where a module that is loaded on demand is
  /// not there.
  Result<std::vector<std::string>> (*devices_here)();
  /// Of what it stands on, beside the program itself: {"libtorch": "1.13.0"}. Errors: the same.
  Result<std::map<std::string, std::string>> (*versions)();
  /// `options.device` is one name. Errors: unsupported for an absent device or instruction set, and where a module that
  /// is loaded on demand is not there.
  Result<std::unique_ptr<Ops>> (*make)(const Context& context, const BackendOptions& options);
  /// With gradients, in the numerics "f32", "bf16" or "f16". Errors: also unsupported for numerics it does not have.
  Result<std::unique_ptr<Ops>> (*make_training)(const Context& context, std::string_view device,
                                                std::string_view numerics);
  /// The same, taking a training step's memory without computing. Null where a backend cannot tell beforehand.
  Result<std::unique_ptr<Ops>> (*make_rehearsal)(const Context& context, std::string_view numerics);
};

std::span<const BackendEntry> all_backends();
/// Errors: not_found with the known ids; unsupported for numerics or a primitive path that the backend lacks, or when none of
/// the named devices is there; invalid_input for an empty name in a list. Only a named list falls back from one device to
/// another, and only past devices that this machine does not have: what the first one that it has answers is the answer.
Result<std::unique_ptr<Ops>> make_backend(std::string_view id, const Context& context, const BackendOptions& options = {});

/// Errors: also unsupported for a backend that cannot rehearse.
Result<std::unique_ptr<Ops>> make_training_rehearsal(std::string_view id, const Context& context,
                                                     std::string_view numerics);
/// `device` may be a list here too. Errors: those of make_backend, and those of make_training.
Result<std::unique_ptr<Ops>> make_training_backend(std::string_view id, const Context& context, std::string_view device,
                                                   std::string_view numerics);

}  // namespace vauban
