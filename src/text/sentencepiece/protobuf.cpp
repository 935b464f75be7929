#include "text/sentencepiece/protobuf.h"

#include <bit>

namespace vauban::protobuf {

float Field::as_float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(number_value)); }

Result<std::uint64_t> Reader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (done()) return corrupt("protobuf: the file ends inside a number at byte {}", base_ + at_);
    const auto byte = static_cast<unsigned char>(message_[at_++]);
    value |= std::uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return corrupt("protobuf: a number of more than 10 bytes at byte {}", base_ + at_);
}

Result<std::uint64_t> Reader::fixed(std::size_t size) {
  if (message_.size() - at_ < size) return corrupt("protobuf: the file ends inside a number at byte {}", base_ + at_);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value |= std::uint64_t{static_cast<unsigned char>(message_[at_ + i])} << (8 * i);
  at_ += size;
  return value;
}

Result<Field> Reader::next() {
  Field field;
  field.offset = base_ + at_;
  VB_TRY(const std::uint64_t tag, varint());
  field.number = static_cast<std::uint32_t>(tag >> 3);
  const auto wire = static_cast<std::uint32_t>(tag & 7);
  if (tag >> 32 != 0 || field.number == 0) return corrupt("protobuf: tag {} at byte {} is not one", tag, field.offset);
  field.wire = static_cast<Wire>(wire);
  if (wire == 0) {
    VB_TRY(field.number_value, varint());
  } else if (wire == 1 || wire == 5) {
    VB_TRY(field.number_value, fixed(wire == 1 ? 8 : 4));
  } else if (wire == 2) {
    VB_TRY(const std::uint64_t size, varint());
    if (size > message_.size() - at_)
      return corrupt("protobuf: field {} at byte {} has {} bytes, {} are left", field.number, field.offset, size,
                     message_.size() - at_);
    field.bytes = message_.substr(at_, size);
    at_ += size;
  } else {
    return corrupt("protobuf: wire type {} at byte {} (expected 0, 1, 2 or 5)", wire, field.offset);
  }
  return field;
}

Result<void> expect(const Field& field, Wire wire, std::string_view name) {
  if (field.wire == wire) return ok();
  return corrupt("protobuf: '{}' at byte {} has wire type {}, expected {}", name, field.offset,
                 static_cast<int>(field.wire), static_cast<int>(wire));
}

}  // namespace vauban::protobuf
