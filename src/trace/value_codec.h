/// Values of an observation as the bytes of a payload: row-major, little-endian, f32 or f16.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "tensor/quant/format.h"

namespace vauban {

static_assert(std::endian::native == std::endian::little, "payload bytes are little-endian");

/// The bytes of `values`; `scratch` holds them when the type is not f32, and is overwritten by the next call.
inline std::span<const std::byte> encode_values(std::span<const float> values, std::string_view dtype,
                                                std::vector<std::byte>& scratch) {
  if (dtype == "f32") return std::as_bytes(values);
  scratch.resize(values.size() * sizeof(std::uint16_t));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits = f32_to_f16(values[i]);
    std::memcpy(scratch.data() + i * sizeof bits, &bits, sizeof bits);
  }
  return scratch;
}

}  // namespace vauban
