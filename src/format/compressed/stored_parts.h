/// StoredParts: the tensors that together make up one compressed matrix, found by suffix and checked on the way out.
#pragma once

#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "format/model_file.h"

namespace vauban {

class StoredParts {
 public:
  /// The file must outlive this.
  StoredParts(const ModelFile& file, std::string stem) : file_(file), stem_(std::move(stem)) {}
  std::string name(std::string_view suffix) const { return stem_ + std::string(suffix); }
  const TensorView* find(std::string_view suffix) const;
  /// Errors: corrupt when it is missing, or of none of these types.
  Result<TensorView> get(std::string_view suffix, std::initializer_list<DType> types) const;
  /// The same, with two dimensions of at least one.
  Result<TensorView> matrix(std::string_view suffix, std::initializer_list<DType> types) const;
  Result<TensorView> shaped(std::string_view suffix, std::initializer_list<DType> types, const Shape& shape) const;
  /// F32, F16, BF16 or FP8 as f32. Errors: corrupt also for another shape.
  Result<std::vector<float>> floats(std::string_view suffix, const Shape& shape) const;
  /// `corrupt`: the tensor's name, its type and shape, and what was expected.
  Error wrong(std::string_view suffix, std::string_view expected) const;

 private:
  const ModelFile& file_;
  std::string stem_;
};

/// Element `index`; the bytes may lie at any address.
template <class T>
T element(const TensorView& view, std::int64_t index) {
  T value;
  std::memcpy(&value, view.bytes.data() + static_cast<std::size_t>(index) * sizeof(T), sizeof(T));
  return value;
}

/// A type of which every element is a float of its own, FP8 included, as f32. Errors: unsupported, corrupt.
Result<std::vector<float>> any_floats(const TensorView& view);

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }
inline std::size_t as_size(std::int64_t value) { return static_cast<std::size_t>(value); }

}  // namespace vauban
