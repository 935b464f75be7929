#include "backends/torch/torch_device.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <dlfcn.h>
#include <torch/cuda.h>
#include <torch/version.h>

#if __has_include(<ATen/detail/MPSHooksInterface.h>)
#include <ATen/detail/MPSHooksInterface.h>
#endif

#include <algorithm>
#include <array>
#include <type_traits>

#include "backends/torch/torch_tensor.h"
#include "base/strings.h"

namespace vauban::torch_backend {
namespace {

struct CudaDevices {
  std::int64_t count = 0;
  std::string why_none;  ///< what the loader or the driver said; empty where nothing failed
};

/// The module links LibTorch's host part only; its CUDA part registers itself when it is loaded.
CudaDevices look_for_cuda() {
#ifdef __linux__
  if (!::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) return {.count = 0, .why_none = ::dlerror()};
#endif
  try {
    return {.count = static_cast<std::int64_t>(torch::cuda::device_count()), .why_none = ""};
  } catch (const std::exception& thrown) {  // a driver that does not answer
    return {.count = 0, .why_none = error_from(thrown).message};
  }
}

const CudaDevices& cuda_devices() {
  static const CudaDevices devices = look_for_cuda();
  return devices;
}

#if __has_include(<ATen/detail/MPSHooksInterface.h>)
#define VB_METAL_MEMORY 1
/// LibTorch 2.0 and later tell; a template, so that a header without the function compiles.
template <class Hooks>
std::int64_t metal_bytes(const Hooks& hooks) {
  if constexpr (requires { hooks.getDriverAllocatedMemory(); })
    return static_cast<std::int64_t>(hooks.getDriverAllocatedMemory());
  else
    return -1;
}
template <class Hooks>
constexpr bool tells_metal_memory(const Hooks*) {
  return requires(const Hooks& hooks) { hooks.getDriverAllocatedMemory(); };
}
#endif

/// LibTorch changed the type of the totals: take it from the function's own signature.
template <class Method>
struct TotalsOf;
template <class Total>
struct TotalsOf<void (c10::MemoryReportingInfoBase::*)(void*, std::int64_t, Total, Total, c10::Device)> {
  using Type = Total;
};
using Total = TotalsOf<decltype(&c10::MemoryReportingInfoBase::reportMemoryUsage)>::Type;

std::string name_of(at::DeviceType type) { return c10::DeviceTypeName(type, true); }

/// To add a kind of device: a line here, and its name in backends.cpp.
struct Kind {
  at::DeviceType type;
  bool is_numbered;  ///< "cuda:0"; of the others there is one
  std::int64_t (*count)();
};
constexpr std::array kKinds{
    Kind{at::kCPU, false, [] { return std::int64_t{1}; }},
    Kind{at::kCUDA, true, [] { return cuda_devices().count; }},
    Kind{at::kMPS, false, [] { return std::int64_t{at::hasMPS()}; }},
};

/// Counts what this thread's allocations report. Device allocators say their total; the host's says sizes.
class Listener final : public c10::MemoryReportingInfoBase {
 public:
  explicit Listener(at::Device device) : device_(device) {}
  void reportMemoryUsage(void*, std::int64_t size, Total allocated, Total, c10::Device device) override {
    if (device.type() != device_.type() || (!device_.is_cpu() && device.index() != device_.index())) return;
    held_ += size;
    const std::int64_t now = device_.is_cpu() ? held_ : static_cast<std::int64_t>(allocated);
    highest_ = std::max(highest_, now);
  }
  bool memoryProfilingEnabled() const override { return true; }
  void note(std::int64_t now) { highest_ = std::max(highest_, now); }
  std::int64_t highest() const { return highest_; }

 private:
  at::Device device_;
  std::int64_t held_ = 0, highest_ = 0;
};

}  // namespace

std::vector<std::string> device_kinds() {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds) names.push_back(name_of(kind.type));
  return names;
}

std::vector<std::string> present_devices() {
  std::vector<std::string> names;
  for (const Kind& kind : kKinds)
    for (std::int64_t index = 0; index < kind.count(); ++index)
      names.push_back(kind.is_numbered ? format("{}:{}", name_of(kind.type), index) : name_of(kind.type));
  return names;
}

Result<at::Device> device_from(std::string_view name) {
  std::string full(name.empty() ? "cpu" : name);
  if (full == "cpu" || full == "cpu:0") return at::Device(at::kCPU);
  if (full == "mps:0") full = "mps";
  if (full == "cuda") full = "cuda:0";
  const std::vector<std::string> present = present_devices();
  if (std::ranges::find(present, full) == present.end()) {
    const std::string& why = cuda_devices().why_none;
    return with_hint(unsupported("backend 'torch': device '{}' is not here; present: {}{}", printable(name, 40), join(present, ", "),
                                 full.starts_with("cuda") && !why.empty() ? format(" ({})", why) : ""),
                     "name a present device, or a list to fall back along: --device cuda,cpu");
  }
  return at::Device(full);
}

std::string kind_of(const at::Device& device) { return name_of(device.type()); }

std::string label_of(const at::Device& device) {
  return format("{}:{}", kind_of(device), device.has_index() ? static_cast<int>(device.index()) : 0);
}

// A copy to the host waits for the stream; it works on every device and in every version.
void synchronise(const at::Device& device) {
  if (!device.is_cpu()) at::zeros({1}, at::TensorOptions(device)).cpu();
}

void pin_f32_products() { at::globalContext().setAllowTF32CuBLAS(false); }

bool products_in_tf32() { return at::globalContext().allowTF32CuBLAS(); }

std::string metal_memory_gap() {
#ifdef VB_METAL_MEMORY
  if (tells_metal_memory<at::MPSHooksInterface>(nullptr)) return "";
#endif
  return format("LibTorch {} does not tell what Metal has given out: the tensors that the backend holds are counted, what lives "
                "inside an operation is not; LibTorch 2.0 and later tell",
                TORCH_VERSION);
}

struct MemoryWatch::State {
  explicit State(at::Device device)
      : is_mps(device.is_mps()), listener(std::make_shared<Listener>(device)), guard(c10::DebugInfoKind::PROFILER_STATE, listener) {}
  bool is_mps;
  std::shared_ptr<Listener> listener;
  c10::DebugInfoGuard guard;
};

MemoryWatch::MemoryWatch(at::Device device) : state_(std::make_unique<State>(device)) {}
MemoryWatch::~MemoryWatch() = default;

void MemoryWatch::sample() {
#ifdef VB_METAL_MEMORY
  if (state_->is_mps) state_->listener->note(metal_bytes(at::detail::getMPSHooks()));
#endif
}

std::int64_t MemoryWatch::high_water_bytes() const { return state_->listener->highest(); }

}  // namespace vauban::torch_backend
