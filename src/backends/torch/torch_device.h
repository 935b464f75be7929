/// Devices of LibTorch: names, presence, waiting, and the allocator's high-water mark.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban::torch_backend {

/// Kinds of devices that are looked for: "cpu", "cuda", "mps".
std::vector<std::string> device_kinds();
/// "cpu", then one "cuda:n" for each GPU that LibTorch sees, then "mps".
std::vector<std::string> present_devices();

/// Errors: unsupported for a name that is not in present_devices(), which it lists ("cuda" means "cuda:0"), with what kept
/// LibTorch's CUDA part or its driver from answering. The host is not looked for: naming it loads nothing.
Result<at::Device> device_from(std::string_view name);

std::string kind_of(const at::Device& device);   ///< "cpu", "cuda", "mps"
std::string label_of(const at::Device& device);  ///< "cpu:0", "cuda:1"

/// Returns when everything that was queued on the device so far is done.
void synchronise(const at::Device& device);

/// f32 products in f32 from now on, for this process: LibTorch may be set to make them in TF32 (10 bits of mantissa).
void pin_f32_products();
/// Whether they would be made in TF32 all the same: TORCH_ALLOW_TF32_CUBLAS_OVERRIDE is stronger.
bool products_in_tf32();

/// What MemoryWatch does not see on MPS with this LibTorch; empty: nothing.
std::string metal_memory_gap();

/// Listens to LibTorch's allocators on this thread for as long as it lives: the highest number of bytes held at once on
/// this device. Of the host: on top of what was held when it began. Of CUDA: the allocator's total. Of MPS: what Metal
/// has given out, with LibTorch's cache of it, at each sample().
class MemoryWatch {
 public:
  explicit MemoryWatch(at::Device device);
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;
  void sample();  ///< after each operation; only MPS needs it
  std::int64_t high_water_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vauban::torch_backend
