/// Shape: up to eight dimensions, outermost first (row-major), inline.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/result.h"
#include "tensor/dtype.h"

namespace vauban {

class Shape {
 public:
  static constexpr int kMaxRank = 8;
  Shape() = default;                                ///< a scalar
  Shape(std::initializer_list<std::int64_t> dims);  ///< programmer-made: rank <= 8 and dims >= 0 are asserted
  /// For untrusted dims. Errors: unsupported above rank 8, corrupt for a negative dimension or an overflowing product.
  static Result<Shape> from(std::span<const std::int64_t> dims);

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
  std::span<const std::int64_t> dims() const { return {dims_.data(), static_cast<std::size_t>(rank_)}; }
  std::int64_t elements() const;
  /// Leading dimensions joined, and the last one: (rows, width). A scalar is (1, 1).
  std::int64_t rows() const;
  std::int64_t width() const;
  std::string to_string() const;  ///< "[4, 128]"
  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// Bytes of a dense tensor. Errors: corrupt on overflow, or when the width is no multiple of the type's block, or when
/// sub-byte elements do not fill whole bytes.
Result<std::uint64_t> size_bytes(DType dtype, const Shape& shape);

}  // namespace vauban
