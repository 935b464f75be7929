/// Devices of LibTorch: names, presence, waiting, and the allocator's high-water mark.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban::torch_backend {

/// "cpu", then one "cuda:n" for each GPU that LibTorch sees, then "mps".
std::vector<std::string> present_devices();

/// Errors: unsupported for a name that is not in present_devices(), which it lists ("cuda" means "cuda:0").
Result<at::Device> device_from(std::string_view name);

std::string kind_of(const at::Device& device);   ///< "cpu", "cuda", "mps"
std::string label_of(const at::Device& device);  ///< "cpu:0", "cuda:1"

/// Returns when everything that was queued on the device so far is done.
void synchronise(const at::Device& device);

/// Listens to LibTorch's allocators on this thread for as long as it lives: highest number of bytes held at once.
class MemoryWatch {
 public:
  explicit MemoryWatch(at::Device device);
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;
  std::int64_t high_water_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vauban::torch_backend
