#include "backends/torch/torch_device.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <dlfcn.h>
#include <torch/cuda.h>

#include <algorithm>
#include <type_traits>

#include "base/strings.h"

namespace vauban::torch_backend {
namespace {

/// The module links LibTorch's host part only; its CUDA part registers itself when it is loaded.
void load_cuda_part() {
#ifdef __linux__
  static const bool tried = [] {
    ::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
    return true;
  }();
  (void)tried;
#endif
}

std::int64_t cuda_devices() {
  load_cuda_part();
  try {
    return static_cast<std::int64_t>(torch::cuda::device_count());
  } catch (const std::exception&) {
    return 0;  // a driver that does not answer
  }
}

/// LibTorch changed the type of the totals: take it from the function's own signature.
template <class Method>
struct TotalsOf;
template <class Total>
struct TotalsOf<void (c10::MemoryReportingInfoBase::*)(void*, std::int64_t, Total, Total, c10::Device)> {
  using Type = Total;
};
using Total = TotalsOf<decltype(&c10::MemoryReportingInfoBase::reportMemoryUsage)>::Type;

/// Counts what this thread's allocations report. Device allocators say their total; the host's says sizes.
class Listener final : public c10::MemoryReportingInfoBase {
 public:
  explicit Listener(at::Device device) : device_(device) {}
  void reportMemoryUsage(void*, std::int64_t size, Total allocated, Total, c10::Device device) override {
    if (device.type() != device_.type()) return;
    held_ += size;
    const std::int64_t now = device_.is_cpu() ? held_ : static_cast<std::int64_t>(allocated);
    highest_ = std::max(highest_, now);
  }
  bool memoryProfilingEnabled() const override { return true; }
  std::int64_t highest() const { return highest_; }

 private:
  at::Device device_;
  std::int64_t held_ = 0, highest_ = 0;
};

}  // namespace

std::vector<std::string> present_devices() {
  std::vector<std::string> names{"cpu"};
  for (std::int64_t index = 0; index < cuda_devices(); ++index) names.push_back(format("cuda:{}", index));
  if (at::hasMPS()) names.emplace_back("mps");
  return names;
}

Result<at::Device> device_from(std::string_view name) {
  std::string full(name.empty() ? "cpu" : name);
  if (full == "cpu:0") full = "cpu";
  if (full == "mps:0") full = "mps";
  if (full == "cuda") full = "cuda:0";
  const std::vector<std::string> present = present_devices();
  if (std::ranges::find(present, full) == present.end())
    return with_hint(unsupported("backend 'torch': device '{}' is not here; present: {}", printable(name, 40), join(present, ", ")),
                     "name a present device, or a list to fall back along: --device cuda,cpu");
  return at::Device(full);
}

std::string kind_of(const at::Device& device) { return c10::DeviceTypeName(device.type(), true); }

std::string label_of(const at::Device& device) {
  return format("{}:{}", kind_of(device), device.has_index() ? static_cast<int>(device.index()) : 0);
}

// A copy to the host waits for the stream; it works on every device and in every version.
void synchronise(const at::Device& device) {
  if (!device.is_cpu()) at::zeros({1}, at::TensorOptions(device)).cpu();
}

struct MemoryWatch::State {
  explicit State(at::Device device)
      : listener(std::make_shared<Listener>(device)), guard(c10::DebugInfoKind::PROFILER_STATE, listener) {}
  std::shared_ptr<Listener> listener;
  c10::DebugInfoGuard guard;
};

MemoryWatch::MemoryWatch(at::Device device) : state_(std::make_unique<State>(device)) {}
MemoryWatch::~MemoryWatch() = default;
std::int64_t MemoryWatch::high_water_bytes() const { return state_->listener->highest(); }

}  // namespace vauban::torch_backend
