/// The wire format of protocol buffers, as far as reading needs it: tag, varint, 32 and 64 bits, length-delimited.
/// Every length is compared with what remains. Source: protobuf.dev/programming-guides/encoding.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace vauban::protobuf {

enum class Wire { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  Wire wire = Wire::varint;
  std::uint64_t number_value = 0;  ///< varint, fixed64, fixed32
  std::string_view bytes;          ///< length-delimited
  std::size_t offset = 0;          ///< of its tag, in the file

  bool as_bool() const { return number_value != 0; }
  std::int32_t as_int32() const { return static_cast<std::int32_t>(number_value); }
  float as_float() const;
};

/// Walks the fields of one message.
class Reader {
 public:
  /// `offset`: where `message` lies in the file, for messages.
  explicit Reader(std::string_view message, std::size_t offset = 0) : message_(message), base_(offset) {}
  bool done() const { return at_ >= message_.size(); }
  /// Errors: corrupt, with the byte offset.
  Result<Field> next();
  /// Where the bytes of a length-delimited field lie in the file.
  std::size_t offset_of(const Field& field) const {
    return base_ + static_cast<std::size_t>(field.bytes.data() - message_.data());
  }

 private:
  Result<std::uint64_t> varint();
  Result<std::uint64_t> fixed(std::size_t size);

  std::string_view message_;
  std::size_t base_;
  std::size_t at_ = 0;
};

/// Errors: corrupt unless the field came in the expected way.
Result<void> expect(const Field& field, Wire wire, std::string_view name);

}  // namespace vauban::protobuf
