// What the shared object exports.
#include <torch/version.h>

#include "backends/torch/torch_module.h"
#include "backends/torch/torch_ops.h"

namespace vauban::torch_backend {
namespace {

ModuleInfo info_of_module() { return {.libtorch = TORCH_VERSION, .source_digest = VAUBAN_TORCH_SOURCE_DIGEST}; }

Result<std::unique_ptr<Ops>> make(const Context& context, const ModuleOptions& options) {
  VB_TRY(const at::Device device, device_from(options.device));
  if (options.training && options.numerics != "f32")
    return with_hint(unsupported("backend 'torch' trains in f32, found training numerics '{}'", options.numerics),
                     "say numerics = \"f32\", or train with '--backend cpu'");
  return std::make_unique<TorchOps>(TorchSetting{.device = device,
                                                 .native = options.numerics == "native",
                                                 .training = options.training,
                                                 .threads = context.pool.size()});
}

constexpr Module kModule{.info = info_of_module, .make = make};

}  // namespace
}  // namespace vauban::torch_backend

extern "C" __attribute__((visibility("default"))) const vauban::torch_backend::Module* vauban_torch_module() {
  return &vauban::torch_backend::kModule;
}
