#include "backends/torch/torch_tensor.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <string_view>
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

Error error_from(const std::exception& thrown) {
  const std::string_view text = thrown.what();
  const std::string line(text.substr(0, text.find('\n')));
  for (const std::string_view sign : {"out of memory", "not enough memory", "can't allocate memory", "bad_alloc"})
    if (text.find(sign) != std::string_view::npos) return resource("LibTorch has no memory left: {}", line);
  return internal("LibTorch: {}", line);
}

std::optional<at::ScalarType> scalar_type_of(DType dtype) {
  for (const TypePair& pair : kTypes)
    if (pair.ours == dtype) return pair.theirs;
  return {};
}

DType dtype_of(at::ScalarType type) {
  for (const TypePair& pair : kTypes)
    if (pair.theirs == type) return pair.ours;
  throw std::invalid_argument(format("vauban has no type for LibTorch's {}", c10::toString(type)));
}

TorchStorage::TorchStorage(at::Tensor tensor, std::shared_ptr<Transfers> transfers)
    : tensor_(std::move(tensor)), transfers_(std::move(transfers)) {
  transfers_->held_bytes += static_cast<std::int64_t>(tensor_.nbytes());
  transfers_->highest_held_bytes = std::max(transfers_->highest_held_bytes, transfers_->held_bytes);
}

TorchStorage::~TorchStorage() { transfers_->held_bytes -= static_cast<std::int64_t>(tensor_.nbytes()); }

std::byte* TorchStorage::data() {
  return transfers_->remote || !tensor_.is_cpu() ? nullptr : static_cast<std::byte*>(tensor_.data_ptr());
}

Result<void> TorchStorage::read(std::size_t offset, std::span<std::byte> out) {
  if (out.empty()) return ok();
  try {
    const auto size = static_cast<std::int64_t>(tensor_.element_size());
    const auto begin = static_cast<std::int64_t>(offset) / size, count = static_cast<std::int64_t>(out.size()) / size;
    const at::Tensor host = tensor_.detach().flatten().narrow(0, begin, count).cpu();
    transfers_->host_device_copies += transfers_->remote;
    transfers_->sync_points += transfers_->remote;
    std::memcpy(out.data(), host.data_ptr(), out.size());
    return ok();
  } catch (const std::exception& thrown) {
    Error error = error_from(thrown);
    if (transfers_->fault) transfers_->fault = error;
    return error;
  }
}

std::int64_t bytes_of(const Tensor& x) {
  return x.shape().elements() * info(x.dtype()).bits / 8 / info(x.dtype()).block;
}

at::IntArrayRef sizes_of(const Shape& shape) { return {shape.dims().data(), shape.dims().size()}; }

Tensor TensorBridge::wrap(at::Tensor tensor, const Shape& shape) const {
  const DType dtype = dtype_of(tensor.scalar_type());
  return {dtype, shape, StorageRef(new TorchStorage(tensor.contiguous(), transfers_))};
}

Tensor TensorBridge::wrap(at::Tensor tensor) const {
  const std::span<const std::int64_t> dims(tensor.sizes().data(), tensor.sizes().size());
  const Shape shape = Shape::from(dims).value_or(Shape{});
  return wrap(std::move(tensor), shape);
}

at::Tensor TensorBridge::unwrap(const Tensor& x) const {
  if (x.empty()) throw std::invalid_argument("an operand has no value");
  const at::IntArrayRef sizes = sizes_of(x.shape());
  if (const auto* own = dynamic_cast<const TorchStorage*>(x.storage())) {
    const at::Tensor& whole = own->tensor();
    const auto begin = static_cast<std::int64_t>(x.offset_bytes() / whole.element_size());
    if (begin == 0 && whole.numel() == x.shape().elements()) return whole.view(sizes);
    return whole.flatten().narrow(0, begin, x.shape().elements()).view(sizes);
  }
  const std::optional<at::ScalarType> type = scalar_type_of(x.dtype());
  if (!type) throw std::invalid_argument(format("LibTorch has no type for {}", to_string(x.dtype())));
  return borrow(x.data(), sizes, *type);
}

at::Tensor TensorBridge::borrow(const void* data, at::IntArrayRef sizes, at::ScalarType type) const {
  const at::Tensor host = at::from_blob(const_cast<void*>(data), sizes, at::TensorOptions(type));  // only read
  return send(host);
}

at::Tensor TensorBridge::send(const at::Tensor& host) const {
  if (!is_remote()) return host;
  ++transfers_->host_device_copies;
  return host.to(device_, host.scalar_type(), false, true);
}

at::Tensor TensorBridge::copy_in(const void* data, at::IntArrayRef sizes, at::ScalarType type) const {
  const at::Tensor borrowed = borrow(data, sizes, type);
  return is_remote() ? borrowed : borrowed.clone();
}

at::Tensor TensorBridge::copy_out(const at::Tensor& values, at::ScalarType type) const {
  transfers_->host_device_copies += is_remote();
  transfers_->sync_points += is_remote();
  return values.detach().cpu().to(type).contiguous();
}

Tensor TensorBridge::absent(const Shape& shape, at::ScalarType type) const {
  return wrap(at::empty(sizes_of(shape), at::TensorOptions(at::kMeta).dtype(type)), shape);
}

}  // namespace vauban::torch_backend
