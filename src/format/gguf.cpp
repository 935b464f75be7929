#include "format/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <unordered_set>

#include "base/strings.h"
#include "format/byte_reader.h"

namespace vauban {

namespace {

constexpr std::uint32_t kDefaultAlignment = 32;
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::uint64_t kMaxString = std::uint64_t{1} << 30;
constexpr std::uint64_t kMaxArrayElements = std::uint64_t{1}
                                            << 23;  // a Json takes some 60 bytes; vocabularies stay below 2 million
constexpr std::size_t kMaxTensorName = 63;
constexpr std::uint32_t kMaxDims = 4;
constexpr std::size_t kMinKeyBytes = 8 + 1 + 4 + 1;     // one-letter key, type, one-byte value
constexpr std::size_t kMinTensorBytes = 8 + 4 + 4 + 8;  // name length, n_dims, type, offset

using KvType = GgufType;
constexpr std::array<std::uint64_t, 13> kMinValueBytes = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

struct Header {
  std::uint32_t version = 0;
  std::uint64_t tensors = 0, keys = 0;
};

Result<std::uint32_t> read_version(ByteReader& in) {
  VB_TRY(const std::string_view magic, in.take(4, "the magic"));
  if (magic != "GGUF") return corrupt("expected the magic 'GGUF', found '{}'", printable(magic));
  VB_TRY(const auto version, in.read<std::uint32_t>("the version"));
  if (version != 0 && (version & 0xffff) == 0)
    return unsupported("this is a big-endian GGUF file; only little-endian ones are read");
  if (version != 2 && version != 3) return unsupported("GGUF version {}: versions 2 and 3 are read", version);
  return version;
}

/// A count that the rest of the file could hold, at `least_bytes` per item.
Result<std::uint64_t> read_count(ByteReader& in, std::string_view what, std::size_t least_bytes) {
  VB_TRY(const auto count, in.read<std::int64_t>(what));
  if (count < 0 || static_cast<std::uint64_t>(count) > in.remaining() / least_bytes)
    return corrupt("{} is {}, more than the {} bytes that remain can hold", what, count, in.remaining());
  return static_cast<std::uint64_t>(count);
}

Result<Header> read_header(ByteReader& in) {
  Header header;
  VB_TRY(header.version, read_version(in));
  VB_TRY(const auto tensors, in.read<std::int64_t>("the tensor count"));
  VB_TRY(header.keys, read_count(in, "the key count", kMinKeyBytes));
  if (tensors < 0 || static_cast<std::uint64_t>(tensors) > in.remaining() / kMinTensorBytes)
    return corrupt("the tensor count is {}, more than the {} bytes that remain can hold", tensors, in.remaining());
  header.tensors = static_cast<std::uint64_t>(tensors);
  return header;
}

Result<std::string_view> read_string(ByteReader& in, std::string_view what) {
  VB_TRY(const auto length, in.read<std::uint64_t>(what));
  if (length > kMaxString)
    return corrupt("{} at byte {}: length {} is above the limit of 2^30", what, in.offset(), length);
  return in.take(length, what);
}

/// A key or a tensor's name: printed, compared and written to JSON, hence text.
Result<std::string_view> read_name(ByteReader& in, std::string_view what) {
  VB_TRY(const std::string_view name, read_string(in, what));
  if (!is_valid_utf8(name) || name.find('\0') != std::string_view::npos)
    return corrupt("{} '{}': expected UTF-8 text without zero bytes", what, printable(name));
  return name;
}

Result<KvType> read_type(ByteReader& in) {
  VB_TRY(const auto type, in.read<std::int32_t>("a value type"));
  if (type < 0 || type >= static_cast<std::int32_t>(kMinValueBytes.size()))
    return corrupt("value type {} does not exist", type);
  return static_cast<KvType>(type);
}

template <class T>
Result<Json> read_number(ByteReader& in) {
  VB_TRY(const T value, in.read<T>("a value"));
  return Json(value);
}

Result<Json> read_bool(ByteReader& in) {
  VB_TRY(const auto value, in.read<std::uint8_t>("a bool"));
  if (value > 1) return corrupt("a bool must be 0 or 1, found {}", value);
  return Json(value == 1);
}

Result<Json> read_text(ByteReader& in) {
  VB_TRY(const std::string_view text, read_string(in, "a string"));
  return Json(text);
}

Result<Json> read_scalar(ByteReader& in, KvType type) {
  switch (type) {
    case KvType::u8:
      return read_number<std::uint8_t>(in);
    case KvType::i8:
      return read_number<std::int8_t>(in);
    case KvType::u16:
      return read_number<std::uint16_t>(in);
    case KvType::i16:
      return read_number<std::int16_t>(in);
    case KvType::u32:
      return read_number<std::uint32_t>(in);
    case KvType::i32:
      return read_number<std::int32_t>(in);
    case KvType::f32:
      return read_number<float>(in);
    case KvType::boolean:
      return read_bool(in);
    case KvType::string:
      return read_text(in);
    case KvType::u64:
      return read_number<std::uint64_t>(in);
    case KvType::i64:
      return read_number<std::int64_t>(in);
    case KvType::f64:
      return read_number<double>(in);
    case KvType::array:
      break;
  }
  return corrupt("arrays of arrays are not part of the format");
}

/// `budget` is what remains of kMaxArrayElements for the whole file; `type` becomes the elements'.
Result<Json> read_array(ByteReader& in, std::uint64_t& budget, KvType& type) {
  VB_TRY(type, read_type(in));
  VB_TRY(const auto count, in.read<std::uint64_t>("an array's length"));
  if (count > in.remaining() / kMinValueBytes[static_cast<std::size_t>(type)])
    return corrupt("an array claims {} elements, {} bytes remain", count, in.remaining());
  if (count > budget) return resource("the metadata holds more than {} array elements", kMaxArrayElements);
  budget -= count;
  if (type == KvType::array) return read_scalar(in, type);
  Json::Array items;
  items.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    VB_TRY(Json item, read_scalar(in, type), "in array element {}", i);
    items.push_back(std::move(item));
  }
  return Json(std::move(items));
}

Result<void> check_alignment(KvType type, const Json& value) {
  if (type != KvType::u32) return corrupt("expected a u32, found value type {}", static_cast<int>(type));
  if (!std::has_single_bit(static_cast<std::uint64_t>(value.as_int())))
    return corrupt("{} is no power of two", value.as_int());
  return ok();
}

Result<Json> read_value(ByteReader& in, std::uint64_t& budget, GgufKeyType& key) {
  VB_TRY(key.type, read_type(in));
  VB_TRY(Json value, key.type == KvType::array ? read_array(in, budget, key.element) : read_scalar(in, key.type));
  if (key.name == kAlignmentKey) VB_CHECK(check_alignment(key.type, value));
  return value;
}

Result<Json> read_metadata(ByteReader& in, std::uint64_t count, std::vector<GgufKeyType>& keys) {
  Json::Object metadata;
  std::uint64_t budget = kMaxArrayElements;
  for (std::uint64_t i = 0; i < count; ++i) {
    VB_TRY(const std::string_view key, read_name(in, "a key"), "in key {} of {}", i + 1, count);
    if (key.empty()) return corrupt("key {} of {} is empty", i + 1, count);
    GgufKeyType& type = keys.emplace_back(GgufKeyType{.name = std::string(key)});
    VB_TRY(Json value, read_value(in, budget, type), "in key '{}'", printable(key));
    if (!metadata.emplace(key, std::move(value)).second) return corrupt("key '{}' appears twice", printable(key));
  }
  return Json(std::move(metadata));
}

/// A tensor as described; its bytes come later.
struct Described {
  TensorEntry entry;
  std::uint64_t size = 0, offset = 0;  ///< bytes; the offset counts from the data section
};

/// ne[0] is the fastest axis, so the row-major shape is the reverse.
Result<Shape> read_shape(ByteReader& in) {
  VB_TRY(const auto rank, in.read<std::uint32_t>("the number of dimensions"));
  if (rank > kMaxDims) return corrupt("{} dimensions, the limit is {}", rank, kMaxDims);
  std::array<std::int64_t, kMaxDims> dims{};
  for (std::uint32_t axis = rank; axis-- > 0;) {
    VB_TRY(dims[axis], in.read<std::int64_t>("a dimension"));
  }
  return Shape::from({dims.data(), rank});
}

Result<Described> read_tensor(ByteReader& in, const std::string& name) {
  Described tensor;
  tensor.entry.name = name;
  TensorView& view = tensor.entry.view;
  VB_TRY(view.shape, read_shape(in));
  VB_TRY(const auto type, in.read<std::int32_t>("the type"));
  VB_TRY(view.dtype, dtype_from_ggml(type));
  VB_TRY(tensor.size, size_bytes(view.dtype, view.shape));
  VB_TRY(tensor.offset, in.read<std::uint64_t>("the offset"));
  return tensor;
}

Result<std::vector<Described>> read_tensors(ByteReader& in, std::uint64_t count) {
  std::vector<Described> tensors;
  std::unordered_set<std::string> names;
  for (std::uint64_t i = 0; i < count; ++i) {
    VB_TRY(const std::string_view name, read_name(in, "a tensor name"), "in tensor {} of {}", i + 1, count);
    if (name.size() > kMaxTensorName)
      return corrupt("tensor name '{}' has {} bytes, the limit is {}", printable(name), name.size(), kMaxTensorName);
    if (!names.emplace(name).second) return corrupt("tensor '{}' appears twice", printable(name));
    VB_TRY(Described tensor, read_tensor(in, std::string(name)), "in tensor '{}'", printable(name));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

/// `value` rounded up to `alignment`, a power of two. Cannot overflow: size_bytes() and files stay below 2^61 bytes,
/// and an alignment below 2^32.
std::uint64_t aligned(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) & ~(alignment - 1);
}

/// Bytes of the data section. Each tensor begins where the padded one before it ends.
Result<std::uint64_t> check_offsets(const std::vector<Described>& tensors, std::uint64_t alignment) {
  std::uint64_t expected = 0;
  for (const Described& tensor : tensors) {
    if (tensor.offset != expected)
      return corrupt("tensor '{}': expected offset {} (alignment {}), found {}", printable(tensor.entry.name), expected,
                     alignment, tensor.offset);
    if (__builtin_add_overflow(expected, aligned(tensor.size, alignment), &expected))
      return corrupt("the size of the tensor data overflows 64 bits");
  }
  return expected;
}

/// The data section. A file without tensors (a vocabulary) may end before the padding.
Result<std::span<const std::byte>> data_section(std::span<const std::byte> bytes, std::size_t end_of_header,
                                                std::uint64_t alignment, std::uint64_t expected) {
  const std::uint64_t begin = aligned(end_of_header, alignment);
  if (begin >= bytes.size() && expected == 0) return std::span<const std::byte>();
  const std::uint64_t found = begin < bytes.size() ? bytes.size() - begin : 0;
  if (found != expected)
    return corrupt("expected {} bytes of tensor data from byte {}, the file holds {}", expected, begin, found);
  return bytes.subspan(static_cast<std::size_t>(begin));
}

}  // namespace

Result<GgufContents> parse_gguf(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  GgufContents contents;
  VB_TRY(const Header header, read_header(in));
  contents.version = header.version;
  VB_TRY(contents.metadata, read_metadata(in, header.keys, contents.keys));
  const Json* alignment = contents.metadata.find(kAlignmentKey);
  contents.alignment = alignment ? static_cast<std::uint32_t>(alignment->as_int()) : kDefaultAlignment;
  VB_TRY(std::vector<Described> tensors, read_tensors(in, header.tensors));
  VB_TRY(const std::uint64_t data_bytes, check_offsets(tensors, contents.alignment));
  VB_TRY(const auto data, data_section(bytes, in.offset(), contents.alignment, data_bytes));
  for (Described& tensor : tensors) {
    tensor.entry.view.bytes =
        data.subspan(static_cast<std::size_t>(tensor.offset), static_cast<std::size_t>(tensor.size));
    contents.tensors.push_back(std::move(tensor.entry));
  }
  return contents;
}

Result<std::shared_ptr<const ModelFile>> open_gguf(const std::filesystem::path& path) {
  VB_TRY(const auto file, MappedFile::open(path));
  VB_TRY(GgufContents contents, parse_gguf(file->bytes()), "in {}", path.string());
  return ModelFile::make(Container::gguf, {file}, std::move(contents.tensors), std::move(contents.metadata));
}

}  // namespace vauban
