/// at::Tensor behind a vauban Tensor. Private to the module: no header outside this folder shows LibTorch.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "tensor/tensor.h"

namespace vauban::torch_backend {

/// What storage does behind the caller's back; shared by all tensors of one Ops.
struct TransferCounters {
  std::int64_t host_device_copies = 0, sync_points = 0;
};

/// Owns one contiguous at::Tensor. data() is null on a device.
class TorchStorage final : public Storage {
 public:
  TorchStorage(at::Tensor tensor, std::shared_ptr<TransferCounters> counters);
  std::byte* data() override;
  void read(std::size_t offset, std::span<std::byte> out) override;
  const at::Tensor& tensor() const { return tensor_; }

 private:
  at::Tensor tensor_;
  std::shared_ptr<TransferCounters> counters_;
};

/// The types of ours that LibTorch has; nullopt for the others.
std::optional<at::ScalarType> scalar_type_of(DType dtype);
DType dtype_of(at::ScalarType type);

/// How a tensor goes in and out: which device, which counters.
class TensorBridge {
 public:
  explicit TensorBridge(at::Device device) : device_(device), counters_(std::make_shared<TransferCounters>()) {}
  at::Device device() const { return device_; }
  TransferCounters& counters() const { return *counters_; }

  /// Takes over `tensor` (made contiguous) as a value of `shape`.
  Tensor wrap(at::Tensor tensor, const Shape& shape) const;
  Tensor wrap(at::Tensor tensor) const;
  /// The at::Tensor behind `x`, with its shape and on the device; foreign host memory is borrowed (or copied to the
  /// device), and must outlive the result. Keeps the autograd graph.
  at::Tensor unwrap(const Tensor& x) const;
  /// Host memory as a tensor on the device. On the host it is borrowed.
  at::Tensor borrow(const void* data, at::IntArrayRef sizes, at::ScalarType type) const;
  /// The same, owned.
  at::Tensor copy_in(const void* data, at::IntArrayRef sizes, at::ScalarType type) const;

 private:
  at::Device device_;
  std::shared_ptr<TransferCounters> counters_;
};

at::IntArrayRef sizes_of(const Shape& shape);

}  // namespace vauban::torch_backend
