// Elements of any readable type as f32 or f64 on the host.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "tensor/quant/format.h"
#include "tensor/tensor.h"

namespace vauban {

namespace {

/// Stored bytes may lie at any address (a mapped file), hence memcpy.
template <class Stored, class Out, class Convert>
void convert(std::span<const std::byte> bytes, std::span<Out> out, Convert convert_one) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored value;
    std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    out[i] = static_cast<Out>(convert_one(value));
  }
}

template <class Stored, class Out>
void cast(std::span<const std::byte> bytes, std::span<Out> out) {
  convert<Stored>(bytes, out, [](Stored value) { return value; });
}

template <class Out>
bool decode_blocks(DType dtype, std::span<const std::byte> bytes, std::span<Out> out) {
  const BlockFormat* codec = find_block_format(dtype);
  if (codec == nullptr) return false;
  const auto blocks = static_cast<std::int64_t>(out.size()) / codec->block;
  if constexpr (std::is_same_v<Out, float>) {
    codec->decode(bytes.data(), out.data(), blocks);
  } else {
    std::vector<float> narrow(out.size());
    codec->decode(bytes.data(), narrow.data(), blocks);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Out>(narrow[i]);
  }
  return true;
}

template <class Out>
bool decode_floats(DType dtype, std::span<const std::byte> bytes, std::span<Out> out) {
  switch (dtype) {
    case DType::f64:
      return cast<double>(bytes, out), true;
    case DType::f32:
      return cast<float>(bytes, out), true;
    case DType::f16:
      return convert<std::uint16_t>(bytes, out, f16_to_f32), true;
    case DType::bf16:
      return convert<std::uint16_t>(bytes, out, bf16_to_f32), true;
    default:
      return decode_blocks(dtype, bytes, out);
  }
}

template <class Out>
bool decode_integers(DType dtype, std::span<const std::byte> bytes, std::span<Out> out) {
  switch (dtype) {
    case DType::boolean:
    case DType::u8:
      return cast<std::uint8_t>(bytes, out), true;
    case DType::i8:
      return cast<std::int8_t>(bytes, out), true;
    case DType::i16:
      return cast<std::int16_t>(bytes, out), true;
    case DType::u16:
      return cast<std::uint16_t>(bytes, out), true;
    case DType::i32:
      return cast<std::int32_t>(bytes, out), true;
    case DType::u32:
      return cast<std::uint32_t>(bytes, out), true;
    case DType::i64:
      return cast<std::int64_t>(bytes, out), true;
    case DType::u64:
      return cast<std::uint64_t>(bytes, out), true;
    default:
      return false;
  }
}

[[noreturn]] void fail_programmer(std::string_view dtype) {
  std::fprintf(stderr, "vauban: programmer error: no conversion from %.*s to floats\n", static_cast<int>(dtype.size()),
               dtype.data());
  std::abort();
}

/// The host's copy of a tensor: its own memory where it has some, else `buffer`.
Result<std::span<const std::byte>> host_bytes(const Tensor& tensor, std::vector<std::byte>& buffer) {
  const auto size = static_cast<std::size_t>(size_bytes(tensor.dtype(), tensor.shape()).value());
  if (const std::byte* data = tensor.data()) return std::span<const std::byte>(data, size);
  buffer.resize(size);
  VB_CHECK(tensor.storage()->read(tensor.offset_bytes(), buffer));
  return std::span<const std::byte>(buffer);
}

template <class Out>
Result<std::vector<Out>> read_floats(const Tensor& tensor) {
  if (tensor.empty()) return std::vector<Out>();
  std::vector<std::byte> buffer;
  VB_TRY(const std::span<const std::byte> bytes, host_bytes(tensor, buffer));
  std::vector<Out> values(static_cast<std::size_t>(tensor.shape().elements()));
  const std::span<Out> out(values);
  if (!decode_floats(tensor.dtype(), bytes, out) && !decode_integers(tensor.dtype(), bytes, out))
    fail_programmer(to_string(tensor.dtype()));
  return values;
}

template <class Out>
std::vector<Out> floats_or_nan(const Tensor& tensor) {
  auto values = read_floats<Out>(tensor);
  if (values) return *std::move(values);
  return std::vector<Out>(static_cast<std::size_t>(tensor.shape().elements()), std::numeric_limits<Out>::quiet_NaN());
}

}  // namespace

Result<std::vector<float>> read_f32(const Tensor& tensor) { return read_floats<float>(tensor); }

std::vector<float> to_f32(const Tensor& tensor) { return floats_or_nan<float>(tensor); }

std::vector<double> to_f64(const Tensor& tensor) { return floats_or_nan<double>(tensor); }

namespace {

template <class Out>
Result<std::vector<Out>> decode(const TensorView& view) {
  VB_TRY(const std::uint64_t size, size_bytes(view.dtype, view.shape));
  if (view.bytes.size() != size)
    return corrupt("{} {}: expected {} bytes, found {}", to_string(view.dtype), view.shape.to_string(), size,
                   view.bytes.size());
  // Looked up before the allocation: an f4 view must not cost memory that is then thrown away.
  if (!decode_floats(view.dtype, {}, std::span<Out>()))
    return unsupported("no decoder from {} to floats", to_string(view.dtype));
  std::vector<Out> values(static_cast<std::size_t>(view.shape.elements()));
  decode_floats(view.dtype, view.bytes, std::span<Out>(values));
  return values;
}

}  // namespace

Result<std::vector<float>> decode_f32(const TensorView& view) { return decode<float>(view); }

Result<std::vector<double>> decode_f64(const TensorView& view) { return decode<double>(view); }

}  // namespace vauban
