#include "tensor/shape.h"

#include <cstdio>
#include <cstdlib>

namespace vauban {

namespace {

[[noreturn]] void fail_programmer(const char* what) {
  std::fprintf(stderr, "vauban: programmer error in Shape: %s\n", what);
  std::abort();
}

/// Refuses when any prefix product overflows, so that rows() and elements() never do.
Result<void> check_dims(std::span<const std::int64_t> dims) {
  std::int64_t product = 1;
  for (const std::int64_t dim : dims) {
    if (dim < 0) return corrupt("dimension {} is negative", dim);
    if (__builtin_mul_overflow(product, dim, &product)) return corrupt("the number of elements overflows 63 bits");
  }
  return ok();
}

}  // namespace

Shape::Shape(std::initializer_list<std::int64_t> dims) {
  auto made = from({dims.begin(), dims.size()});
  if (!made) fail_programmer(made.error().message.c_str());
  *this = *made;
}

Result<Shape> Shape::from(std::span<const std::int64_t> dims) {
  if (dims.size() > kMaxRank) return unsupported("rank {} is above the limit of {}", dims.size(), kMaxRank);
  VB_CHECK(check_dims(dims));
  Shape shape;
  shape.rank_ = static_cast<int>(dims.size());
  for (std::size_t i = 0; i < dims.size(); ++i) shape.dims_[i] = dims[i];
  return shape;
}

std::int64_t Shape::elements() const { return rows() * width(); }

std::int64_t Shape::rows() const {
  std::int64_t product = 1;
  for (int axis = 0; axis + 1 < rank_; ++axis) product *= (*this)[axis];
  return product;
}

std::int64_t Shape::width() const { return rank_ == 0 ? 1 : (*this)[rank_ - 1]; }

std::string Shape::to_string() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) text += format("{}{}", axis ? ", " : "", (*this)[axis]);
  return text + "]";
}

Result<std::uint64_t> size_bytes(DType dtype, const Shape& shape) {
  const DTypeInfo& type = info(dtype);
  if (shape.width() % type.block != 0)
    return corrupt("a row of {} elements is not a whole number of {} blocks of {}", shape.width(), type.name,
                   type.block);
  const auto blocks = static_cast<std::uint64_t>(shape.elements()) / static_cast<std::uint64_t>(type.block);
  std::uint64_t bits = 0;
  if (__builtin_mul_overflow(blocks, static_cast<std::uint64_t>(type.bits), &bits))
    return corrupt("the size of {} {} overflows 64 bits", type.name, shape.to_string());
  if (bits % 8 != 0)
    return corrupt("{} {} fills {} bits, which is no whole number of bytes", type.name, shape.to_string(), bits);
  return bits / 8;
}

}  // namespace vauban
