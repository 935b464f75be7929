/// Tensor: a value in a backend's memory. TensorView: bytes that somebody else owns (a mapped file).
///
/// A Tensor is cheap to copy (shape inline, one intrusive count) and is never resized in place. Its storage may be a
/// slice of a per-step arena: then the tensor carries the arena's epoch, and reading it after the step has ended is
/// caught in debug builds.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace vauban {

struct TensorView {
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte> bytes;
};

/// Memory owned by a backend. `data` is a host pointer, or null for device memory.
class Storage {
 public:
  virtual ~Storage() = default;
  virtual std::byte* data() = 0;
  /// Copies the bytes to the host (for device memory; the default copies from data(), and cannot fail). Errors: what the
  /// device answered; `out` is then undefined.
  virtual Result<void> read(std::size_t offset, std::span<std::byte> out);
  /// Grows by one each time an arena is reset; 0 for storage that is never reused.
  std::uint32_t epoch() const { return epoch_; }

 protected:
  std::uint32_t epoch_ = 0;

 private:
  friend class StorageRef;
  std::atomic<std::int32_t> references_{0};
  /// Called when the last reference goes; arenas override it to do nothing.
  virtual void release() { delete this; }
};

class StorageRef {
 public:
  StorageRef() = default;
  explicit StorageRef(Storage* storage) : storage_(storage) { acquire(); }
  StorageRef(const StorageRef& other) : storage_(other.storage_) { acquire(); }
  StorageRef(StorageRef&& other) noexcept : storage_(std::exchange(other.storage_, nullptr)) {}
  StorageRef& operator=(StorageRef other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~StorageRef() {
    if (storage_ && storage_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) storage_->release();
  }
  Storage* get() const { return storage_; }

 private:
  void acquire() {
    if (storage_) storage_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  Storage* storage_ = nullptr;
};

class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape, StorageRef storage, std::size_t offset_bytes = 0);

  bool empty() const { return storage_.get() == nullptr; }
  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::size_t offset_bytes() const { return offset_; }
  Storage* storage() const { return storage_.get(); }

  /// Host pointer; null for device memory. Checked against the arena's epoch in debug builds.
  std::byte* data() const;
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data());
  }
  /// The same memory with another shape of equal element count.
  Tensor reshaped(Shape shape) const;
  /// Rows [begin, end) of the leading dimension, without a copy.
  Tensor rows(std::int64_t begin, std::int64_t end) const;

 private:
  Shape shape_;
  StorageRef storage_;
  std::size_t offset_ = 0;
  std::uint32_t epoch_ = 0;
  DType dtype_ = DType::f32;
};

/// A tensor on the heap that lives on its own (inputs, tests, directions).
Tensor make_host_tensor(DType dtype, Shape shape);
Tensor host_tensor(const Shape& shape, std::span<const float> values);

/// All elements as f32 (f64 rounds once; quantised blocks are decoded), on the host. Errors: those of Storage::read.
Result<std::vector<float>> read_f32(const Tensor& tensor);
/// The same for use inside a step, where a value is wanted whatever happens: NaN where the device could not be read. The
/// backend's end_step() then has the error.
std::vector<float> to_f32(const Tensor& tensor);
std::vector<double> to_f64(const Tensor& tensor);
/// Decodes `view` (any float or block type). Errors: unsupported for a type without a decoder.
Result<std::vector<float>> decode_f32(const TensorView& view);
Result<std::vector<double>> decode_f64(const TensorView& view);

}  // namespace vauban
