/// ByteReader: a cursor over untrusted little-endian bytes. Every read is checked against what remains.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/result.h"

namespace vauban {

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::size_t offset() const { return offset_; }
  std::size_t remaining() const { return bytes_.size() - offset_; }

  /// `count` raw bytes. Errors: corrupt, naming `what` and the offset.
  Result<std::string_view> take(std::uint64_t count, std::string_view what) {
    if (count > remaining())
      return corrupt("{} at byte {}: expected {} bytes, {} remain", what, offset_, count, remaining());
    const auto* begin = reinterpret_cast<const char*>(bytes_.data() + offset_);
    offset_ += static_cast<std::size_t>(count);
    return std::string_view(begin, static_cast<std::size_t>(count));
  }

  template <class T>
  requires std::is_arithmetic_v<T> Result<T> read(std::string_view what) {
    static_assert(std::endian::native == std::endian::little, "model files are little-endian, and so are our hosts");
    VB_TRY(const std::string_view raw, take(sizeof(T), what));
    T value;
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t offset_ = 0;
};

}  // namespace vauban
