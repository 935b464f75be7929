#include "tensor/tensor.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace vauban {

namespace {

[[noreturn]] void fail_programmer(const char* what) {
  std::fprintf(stderr, "vauban: programmer error in Tensor: %s\n", what);
  std::abort();
}

std::size_t bytes_of(DType dtype, const Shape& shape) {
  const auto size = size_bytes(dtype, shape);
  if (!size) fail_programmer(size.error().message.c_str());
  return static_cast<std::size_t>(*size);
}

/// Zeroed heap memory, aligned for any vector load.
class HostStorage final : public Storage {
 public:
  explicit HostStorage(std::size_t size) : bytes_(static_cast<std::byte*>(::operator new(size + 1, kAlignment))) {
    std::memset(bytes_, 0, size + 1);
  }
  ~HostStorage() override { ::operator delete(bytes_, kAlignment); }
  std::byte* data() override { return bytes_; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  std::byte* bytes_;
};

}  // namespace

Result<void> Storage::read(std::size_t offset, std::span<std::byte> out) {
  if (out.empty()) return ok();
  if (data() == nullptr) fail_programmer("device storage must override read()");
  std::memcpy(out.data(), data() + offset, out.size());
  return ok();
}

Tensor::Tensor(DType dtype, Shape shape, StorageRef storage, std::size_t offset_bytes)
    : shape_(shape), storage_(std::move(storage)), offset_(offset_bytes), dtype_(dtype) {
  if (storage_.get()) epoch_ = storage_.get()->epoch();
}

std::byte* Tensor::data() const {
  Storage* owner = storage_.get();
  if (owner == nullptr) return nullptr;
#ifndef NDEBUG
  if (owner->epoch() != epoch_) fail_programmer("read after the arena's step has ended");
#endif
  std::byte* base = owner->data();
  return base ? base + offset_ : nullptr;
}

Tensor Tensor::reshaped(Shape shape) const {
  if (shape.elements() != shape_.elements()) fail_programmer("reshaped() changes the number of elements");
  if (shape.width() % info(dtype_).block != 0) fail_programmer("reshaped() cuts a block");
  Tensor view = *this;
  view.shape_ = shape;
  return view;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  if (shape_.rank() == 0 || begin < 0 || end < begin || end > shape_[0]) fail_programmer("rows() outside the tensor");
  const DTypeInfo& type = info(dtype_);
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  std::int64_t per_row = 1;
  for (int axis = 1; axis < shape_.rank(); ++axis) per_row *= dims[static_cast<std::size_t>(axis)] = shape_[axis];
  dims[0] = end - begin;
  if (begin * per_row % type.block != 0) fail_programmer("rows() cuts a block");
  Tensor view = *this;
  view.offset_ += static_cast<std::size_t>(begin * per_row / type.block * type.bits / 8);
  view.shape_ = *Shape::from({dims.data(), static_cast<std::size_t>(shape_.rank())});
  return view;
}

Tensor make_host_tensor(DType dtype, Shape shape) {
  return {dtype, shape, StorageRef(new HostStorage(bytes_of(dtype, shape)))};
}

Tensor host_tensor(const Shape& shape, std::span<const float> values) {
  if (static_cast<std::int64_t>(values.size()) != shape.elements())
    fail_programmer("host_tensor() values do not fill the shape");
  Tensor tensor = make_host_tensor(DType::f32, shape);
  if (!values.empty()) std::memcpy(tensor.data(), values.data(), values.size_bytes());
  return tensor;
}

}  // namespace vauban
