/// The border between vauban and its torch module: one C function that makes an Ops.
///
/// The module is a shared object (libvauban_torch.so) that torch_loader.cpp opens on first use, so that nothing else maps
/// LibTorch. It carries its own copy of the layers base, tensor and ops, built from the same sources; `source_digest`
/// says which, and the loader refuses another.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/result.h"
#include "ops/ops.h"

namespace vauban::torch_backend {

struct ModuleOptions {
  std::string_view device;    ///< "cpu", "cuda", "cuda:1", "mps"; empty: "cpu"
  std::string_view numerics;  ///< "exact", "native"
  bool training = false;      ///< keeps what gradients need; numerics is then "f32", "bf16" or "f16"
};

/// What the module exports, under kModuleSymbol.
struct Module {
  /// Of the headers that both sides share. First and in plain C: it is read before anything else here is believed.
  const char* source_digest;
  const char* libtorch;  ///< version of the LibTorch that it was built with: "1.13.0"
  std::vector<std::string> (*kinds)();  ///< of devices that it can run on: "cpu", "cuda", "mps"
  /// "cpu", then the others that this machine has: "cuda:0", "mps".
  std::vector<std::string> (*devices)();
  /// Gradients come on any device; who trains decides where (backends.cpp: in host memory). Errors: unsupported for a
  /// device that is absent (it lists those that are there), for numerics that it does not have, and for exact ones where
  /// the environment makes LibTorch use TF32.
  Result<std::unique_ptr<Ops>> (*make)(const Context& context, const ModuleOptions& options);
};
using ModuleEntry = const Module* (*)();
inline constexpr const char* kModuleSymbol = "vauban_torch_module";

}  // namespace vauban::torch_backend
