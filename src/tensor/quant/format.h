/// Block formats: one file per format in this folder, and one row each in formats.cpp.
///
/// Layouts and encoders follow ggml (transforms.md 2.1); `tests/golden` holds the outside bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/dtype.h"

namespace vauban {

struct BlockFormat {
  DType dtype;
  int block;        ///< elements
  int block_bytes;  ///< bytes
  /// Both work on `blocks` consecutive blocks. Any bytes decode: every pattern of bits has a meaning, and an index into a
  /// table never leaves it (a scale may be infinite or NaN, and then so are the values). `encode` is null for a format
  /// that needs importance weights. Input that is not finite, or too large for the scale, gives values that are not
  /// finite when decoded: whoever encodes for others checks that (transform/cast.cpp).
  void (*decode)(const std::byte* in, float* out, std::int64_t blocks);
  void (*encode)(const float* in, std::byte* out, std::int64_t blocks);
  /// One row of `blocks` blocks and as many importance weights as it has elements (>= 0, finite): errors in columns with a
  /// large weight count more. Null for a format that ignores them.
  void (*encode_weighted)(const float* row, std::byte* out, std::int64_t blocks, const float* importance);
};

std::span<const BlockFormat> block_formats();
const BlockFormat* find_block_format(DType dtype);

/// IEEE 754 binary16 and bfloat16, round to nearest even.
float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);

}  // namespace vauban
