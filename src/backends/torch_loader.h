/// The torch backend as the rest of the program sees it: a shared object that is opened when it is first asked for.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "ops/ops.h"

namespace vauban {

struct TorchRequest {
  std::string_view device, numerics = "exact";
  bool training = false;
};

/// Where the module is looked for, in order: beside the program, in ../lib/vauban from there, where it was built.
std::vector<std::filesystem::path> torch_module_places();

/// Opens the module on the first call and keeps it. Errors: unsupported, saying what to install or build, where the
/// module or LibTorch is not there, or was built from other sources; those of the module.
Result<std::unique_ptr<Ops>> make_torch_ops(const Context& context, const TorchRequest& request);
/// The same from the first of these files that exists. For tests.
Result<std::unique_ptr<Ops>> make_torch_ops(std::span<const std::filesystem::path> places, const Context& context,
                                            const TorchRequest& request);

struct TorchInfo {
  std::string libtorch;              ///< version: "1.13.0"
  std::vector<std::string> kinds;    ///< of devices that it can run on: "cpu", "cuda", "mps"
  std::vector<std::string> devices;  ///< of this machine: "cpu", "cuda:0"
};
/// What the module says of itself. Errors: the same.
Result<TorchInfo> torch_info();

}  // namespace vauban
