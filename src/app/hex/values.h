/// Bytes as the numbers that they stand for.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace vauban {

/// Whole elements, or whole blocks, of one type. Null for NaN and infinities, which JSON has no number for.
/// Errors: unsupported for a type without a decoder.
struct ByteValues {
  std::vector<Json> numbers;
  std::vector<std::string> texts;  ///< beside them; "nan", "inf" and "-inf" too
};
Result<ByteValues> values_of(DType dtype, std::span<const std::byte> bytes);

/// Bytes of the smallest part that can be decoded: an element, or a block. 0 for types whose elements share bytes.
std::size_t unit_bytes(DType dtype);

}  // namespace vauban
