#include "app/hex/values.h"

#include <cmath>
#include <cstring>

#include "base/format.h"
#include "tensor/tensor.h"

namespace vauban {
namespace {

template <class T>
ByteValues integers(std::span<const std::byte> bytes) {
  ByteValues out;
  for (std::size_t at = 0; at + sizeof(T) <= bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    out.numbers.emplace_back(value);
    out.texts.push_back(std::to_string(value));
  }
  return out;
}

template <class T>
ByteValues floats(const std::vector<T>& values) {
  ByteValues out;
  for (const T value : values) {
    out.numbers.push_back(std::isfinite(value) ? Json(value) : Json());
    out.texts.push_back(format("{:.6g}", value));
  }
  return out;
}

}  // namespace

std::size_t unit_bytes(DType dtype) {
  const DTypeInfo& type = info(dtype);
  return type.bits % 8 == 0 ? static_cast<std::size_t>(type.bits / 8) : 0;
}

Result<ByteValues> values_of(DType dtype, std::span<const std::byte> bytes) {
  switch (dtype) {
    case DType::boolean:
    case DType::u8:
      return integers<std::uint8_t>(bytes);
    case DType::i8:
      return integers<std::int8_t>(bytes);
    case DType::i16:
      return integers<std::int16_t>(bytes);
    case DType::u16:
      return integers<std::uint16_t>(bytes);
    case DType::i32:
      return integers<std::int32_t>(bytes);
    case DType::u32:
      return integers<std::uint32_t>(bytes);
    case DType::i64:
      return integers<std::int64_t>(bytes);
    case DType::u64:
      return integers<std::uint64_t>(bytes);
    default:
      break;
  }
  const std::size_t unit = unit_bytes(dtype);
  if (unit == 0) return unsupported("elements of {} share bytes", to_string(dtype));
  const auto elements = static_cast<std::int64_t>(bytes.size() / unit) * info(dtype).block;
  const TensorView view{.dtype = dtype, .shape = {elements}, .bytes = bytes.first(bytes.size() / unit * unit)};
  if (dtype == DType::f64) {
    VB_TRY(const std::vector<double> wide, decode_f64(view));
    return floats(wide);
  }
  VB_TRY(const std::vector<float> values, decode_f32(view));
  return floats(values);
}

}  // namespace vauban
