// What the shared object exports.
#include <torch/version.h>

#include "backends/torch/torch_module.h"
#include "backends/torch/torch_ops.h"

namespace vauban::torch_backend {
namespace {

Result<void> check_training(const at::Device& device) {
  if (!device.is_cpu())  // optimisers, clipping and checkpoints write parameters through host pointers
    return with_hint(unsupported("backend 'torch' trains in host memory only, found device '{}'", label_of(device)),
                     "train with '--device cpu'; a GPU can trace and audit what was trained");
  return ok();
}

Result<at::ScalarType> operand_type_from(std::string_view numerics) {
  if (numerics == "f32") return at::kFloat;
  if (numerics == "bf16") return at::kBFloat16;
  if (numerics == "f16") return at::kHalf;
  return invalid_input("backend 'torch' trains with operands in f32, bf16 or f16, found '{}'", numerics);
}

Result<std::unique_ptr<Ops>> make(const Context& context, const ModuleOptions& options) {
  VB_TRY(const at::Device device, device_from(options.device));
  at::ScalarType operand = at::kFloat;
  if (options.training) {
    VB_TRY(operand, operand_type_from(options.numerics));
    VB_CHECK(check_training(device));
  }
  return std::make_unique<TorchOps>(TorchSetting{.device = device,
                                                 .native = options.numerics == "native",
                                                 .training = options.training,
                                                 .threads = context.pool.size(),
                                                 .operand = operand});
}

constexpr Module kModule{
    .source_digest = VAUBAN_TORCH_SOURCE_DIGEST, .libtorch = TORCH_VERSION, .devices = present_devices, .make = make};

}  // namespace
}  // namespace vauban::torch_backend

extern "C" __attribute__((visibility("default"))) const vauban::torch_backend::Module* vauban_torch_module() {
  return &vauban::torch_backend::kModule;
}
