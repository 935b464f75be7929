/// at::Tensor behind a vauban Tensor. Private to the module: no header outside this folder shows LibTorch.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/result.h"
#include "tensor/tensor.h"

namespace vauban::torch_backend {

/// What LibTorch threw, on one line: resource where its allocator has no more (it says so in its text only), else internal.
Error error_from(const std::exception& thrown);

/// What storage does behind the caller's back; shared by all tensors of one Ops.
struct Transfers {
  /// Whether the tensors lie elsewhere than in host memory. True for a host that stands for a device, so that tests see
  /// what is copied and counted.
  bool remote = false;
  std::int64_t host_device_copies = 0, sync_points = 0;
  std::int64_t held_bytes = 0, highest_held_bytes = 0;  ///< of all storages there are
  Result<void> fault = ok();                            ///< the first read that failed since it was taken
};

/// Owns one contiguous at::Tensor. data() is null on a device.
class TorchStorage final : public Storage {
 public:
  TorchStorage(at::Tensor tensor, std::shared_ptr<Transfers> transfers);
  ~TorchStorage() override;
  TorchStorage(const TorchStorage&) = delete;
  TorchStorage& operator=(const TorchStorage&) = delete;
  std::byte* data() override;
  /// Errors: those of error_from; the first is kept in the transfers' fault as well.
  Result<void> read(std::size_t offset, std::span<std::byte> out) override;
  const at::Tensor& tensor() const { return tensor_; }

 private:
  at::Tensor tensor_;
  std::shared_ptr<Transfers> transfers_;
};

/// The types of ours that LibTorch has; nullopt for the others.
std::optional<at::ScalarType> scalar_type_of(DType dtype);
/// Throws std::invalid_argument for a type that we do not have.
DType dtype_of(at::ScalarType type);

/// How a tensor goes in and out: which device, which counters. Its functions throw what LibTorch throws.
class TensorBridge {
 public:
  explicit TensorBridge(at::Device device, bool host_is_remote = false) : device_(device) {
    transfers_->remote = host_is_remote || !device.is_cpu();
  }
  at::Device device() const { return device_; }
  bool is_remote() const { return transfers_->remote; }
  Transfers& transfers() const { return *transfers_; }

  /// Takes over `tensor` (made contiguous) as a value of `shape`.
  Tensor wrap(at::Tensor tensor, const Shape& shape) const;
  Tensor wrap(at::Tensor tensor) const;
  /// The at::Tensor behind `x`, with its shape and on the device; foreign host memory is borrowed (or copied to the
  /// device), and must outlive the result. Keeps the autograd graph. Throws std::invalid_argument where there is no value.
  at::Tensor unwrap(const Tensor& x) const;
  /// Host memory as a tensor on the device. On the host it is borrowed.
  at::Tensor borrow(const void* data, at::IntArrayRef sizes, at::ScalarType type) const;
  /// The same, owned.
  at::Tensor copy_in(const void* data, at::IntArrayRef sizes, at::ScalarType type) const;
  /// On the host, in `type` (MPS has no f64), contiguous. Waits for the device: one copy, one synchronisation.
  at::Tensor copy_out(const at::Tensor& values, at::ScalarType type = at::kDouble) const;
  /// The other way: a host tensor on the device, which is itself where the host is the device.
  at::Tensor send(const at::Tensor& host) const;
  /// The shape and type of a value that could not be made, without memory: what uses it throws.
  Tensor absent(const Shape& shape, at::ScalarType type) const;

 private:
  at::Device device_;
  std::shared_ptr<Transfers> transfers_ = std::make_shared<Transfers>();
};

at::IntArrayRef sizes_of(const Shape& shape);
std::int64_t bytes_of(const Tensor& x);

}  // namespace vauban::torch_backend
