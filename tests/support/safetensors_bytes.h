/// safetensors files for tests, from a literal header.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace vauban::test {

/// 8-byte length (that of `header` unless given), the header as it stands, then `data_bytes` zero bytes.
inline std::string safetensors_bytes(std::string_view header, std::size_t data_bytes) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(std::uint64_t{header.size()} >> (8 * i) & 0xff);
  return file + std::string(header) + std::string(data_bytes, '\0');
}

inline std::string with_length(std::string file, std::uint64_t length) {
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return file;
}

}  // namespace vauban::test
