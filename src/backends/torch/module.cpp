// What the shared object exports.
#include <torch/version.h>

#include "backends/torch/torch_module.h"
#include "backends/torch/torch_ops.h"
#include "base/strings.h"

namespace vauban::torch_backend {
namespace {

Result<at::ScalarType> operand_type_from(std::string_view numerics) {
  if (numerics == "f32") return at::kFloat;
  if (numerics == "bf16") return at::kBFloat16;
  if (numerics == "f16") return at::kHalf;
  return invalid_input("backend 'torch' trains with operands in f32, bf16 or f16, found '{}'", numerics);
}

Result<void> check_numerics(std::string_view numerics, const at::Device& device) {
  if (numerics != "exact" && numerics != "native")
    return unsupported("backend 'torch' computes in 'exact' and 'native' numerics, found '{}'", printable(numerics, 40));
  pin_f32_products();
  if (numerics == "native" || !device.is_cuda() || !products_in_tf32()) return ok();
  return with_hint(unsupported("exact numerics need products in f32, and the environment makes LibTorch use TF32"),
                   "unset TORCH_ALLOW_TF32_CUBLAS_OVERRIDE (NVIDIA's containers set it), or say '--numerics native'");
}

Result<std::unique_ptr<Ops>> make(const Context& context, const ModuleOptions& options) {
  VB_TRY(const at::Device device, device_from(options.device));
  if (!options.training) VB_CHECK(check_numerics(options.numerics, device));
  at::ScalarType operand = at::kFloat;
  if (options.training) {
    VB_TRY(operand, operand_type_from(options.numerics));
  }
  return std::make_unique<TorchOps>(TorchSetting{.device = device,
                                                 .native = options.numerics == "native",
                                                 .training = options.training,
                                                 .threads = context.pool.size(),
                                                 .operand = operand});
}

constexpr Module kModule{.source_digest = VAUBAN_TORCH_SOURCE_DIGEST,
                         .libtorch = TORCH_VERSION,
                         .kinds = device_kinds,
                         .devices = present_devices,
                         .make = make};

}  // namespace
}  // namespace vauban::torch_backend

extern "C" __attribute__((visibility("default"))) const vauban::torch_backend::Module* vauban_torch_module() {
  return &vauban::torch_backend::kModule;
}
