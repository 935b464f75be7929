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
  /// Both work on `blocks` consecutive blocks. `encode` is null where it is not built yet.
  void (*decode)(const std::byte* in, float* out, std::int64_t blocks);
  void (*encode)(const float* in, std::byte* out, std::int64_t blocks);
};

std::span<const BlockFormat> block_formats();
const BlockFormat* find_block_format(DType dtype);

/// IEEE 754 binary16 and bfloat16, round to nearest even.
float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);

}  // namespace vauban
