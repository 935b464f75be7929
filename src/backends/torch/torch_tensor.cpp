#include "backends/torch/torch_tensor.h"

#include <array>
#include <cstring>
#include <utility>

namespace vauban::torch_backend {
namespace {

struct TypePair {
  DType ours;
  at::ScalarType theirs;
};
constexpr std::array kTypes{
    TypePair{DType::f32, at::kFloat},     TypePair{DType::f16, at::kHalf}, TypePair{DType::bf16, at::kBFloat16},
    TypePair{DType::f64, at::kDouble},    TypePair{DType::i64, at::kLong}, TypePair{DType::i32, at::kInt},
    TypePair{DType::boolean, at::kBool},  TypePair{DType::u8, at::kByte},
};

}  // namespace

std::optional<at::ScalarType> scalar_type_of(DType dtype) {
  for (const TypePair& pair : kTypes)
    if (pair.ours == dtype) return pair.theirs;
  return {};
}

DType dtype_of(at::ScalarType type) {
  for (const TypePair& pair : kTypes)
    if (pair.theirs == type) return pair.ours;
  return DType::f32;
}

TorchStorage::TorchStorage(at::Tensor tensor, std::shared_ptr<TransferCounters> counters)
    : tensor_(std::move(tensor)), counters_(std::move(counters)) {}

std::byte* TorchStorage::data() {
  return tensor_.is_cpu() ? static_cast<std::byte*>(tensor_.data_ptr()) : nullptr;
}

void TorchStorage::read(std::size_t offset, std::span<std::byte> out) {
  if (out.empty()) return;
  if (tensor_.is_cpu()) {
    std::memcpy(out.data(), data() + offset, out.size());
    return;
  }
  const auto size = static_cast<std::int64_t>(tensor_.element_size());
  const auto begin = static_cast<std::int64_t>(offset) / size, count = static_cast<std::int64_t>(out.size()) / size;
  const at::Tensor host = tensor_.detach().flatten().narrow(0, begin, count).cpu();
  ++counters_->host_device_copies;
  ++counters_->sync_points;
  std::memcpy(out.data(), host.data_ptr(), out.size());
}

at::IntArrayRef sizes_of(const Shape& shape) { return {shape.dims().data(), shape.dims().size()}; }

Tensor TensorBridge::wrap(at::Tensor tensor, const Shape& shape) const {
  const DType dtype = dtype_of(tensor.scalar_type());
  return {dtype, shape, StorageRef(new TorchStorage(tensor.contiguous(), counters_))};
}

Tensor TensorBridge::wrap(at::Tensor tensor) const {
  const std::span<const std::int64_t> dims(tensor.sizes().data(), tensor.sizes().size());
  const Shape shape = Shape::from(dims).value_or(Shape{});
  return wrap(std::move(tensor), shape);
}

at::Tensor TensorBridge::unwrap(const Tensor& x) const {
  const at::IntArrayRef sizes = sizes_of(x.shape());
  if (const auto* own = dynamic_cast<const TorchStorage*>(x.storage())) {
    const at::Tensor& whole = own->tensor();
    const auto begin = static_cast<std::int64_t>(x.offset_bytes() / whole.element_size());
    if (begin == 0 && whole.numel() == x.shape().elements()) return whole.view(sizes);
    return whole.flatten().narrow(0, begin, x.shape().elements()).view(sizes);
  }
  return borrow(x.data(), sizes, scalar_type_of(x.dtype()).value_or(at::kFloat));
}

at::Tensor TensorBridge::borrow(const void* data, at::IntArrayRef sizes, at::ScalarType type) const {
  const at::Tensor host = at::from_blob(const_cast<void*>(data), sizes, at::TensorOptions(type));  // only read
  if (device_.is_cpu()) return host;
  ++counters_->host_device_copies;
  return host.to(device_);
}

at::Tensor TensorBridge::copy_in(const void* data, at::IntArrayRef sizes, at::ScalarType type) const {
  const at::Tensor borrowed = borrow(data, sizes, type);
  return device_.is_cpu() ? borrowed.clone() : borrowed;
}

}  // namespace vauban::torch_backend
