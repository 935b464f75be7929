#include "format/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/strings.h"

namespace vauban {
namespace {

constexpr std::uint32_t kVersion = 3;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::size_t kMaxTensorName = 63;
constexpr int kMaxDims = 4;

template <class T>
void put(std::string& out, T value) {
  static_assert(std::endian::native == std::endian::little, "model files are little-endian, and so are our hosts");
  char raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  out.append(raw, sizeof value);
}

void put_string(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint64_t>(text.size()));
  out += text;
}

Error misfit(const Json& value, std::string_view expected) {
  return invalid_input("expected {}, found {}", expected, value.dump().value_or(std::string(value.type_name())));
}

/// Through its text, since a u64 may lie above what as_int() can say.
template <class T>
Result<void> put_integer(std::string& out, const Json& value, std::string_view name) {
  VB_TRY(const std::string text, value.dump());
  T number{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (!value.is_number() || failed != std::errc() || end != text.data() + text.size()) return misfit(value, name);
  put(out, number);
  return ok();
}

Result<void> put_real(std::string& out, const Json& value, GgufType type) {
  if (!value.is_number()) return misfit(value, "a number");
  if (type == GgufType::f64)
    put(out, value.as_double());
  else
    put(out, static_cast<float>(value.as_double()));
  return ok();
}

Result<void> put_scalar(std::string& out, GgufType type, const Json& value) {
  switch (type) {
    case GgufType::u8: return put_integer<std::uint8_t>(out, value, "a u8");
    case GgufType::i8: return put_integer<std::int8_t>(out, value, "an i8");
    case GgufType::u16: return put_integer<std::uint16_t>(out, value, "a u16");
    case GgufType::i16: return put_integer<std::int16_t>(out, value, "an i16");
    case GgufType::u32: return put_integer<std::uint32_t>(out, value, "a u32");
    case GgufType::i32: return put_integer<std::int32_t>(out, value, "an i32");
    case GgufType::u64: return put_integer<std::uint64_t>(out, value, "a u64");
    case GgufType::i64: return put_integer<std::int64_t>(out, value, "an i64");
    case GgufType::f32:
    case GgufType::f64: return put_real(out, value, type);
    case GgufType::boolean:
      if (!value.is_bool()) return misfit(value, "a bool");
      put(out, static_cast<std::uint8_t>(value.as_bool()));
      return ok();
    case GgufType::string:
      if (!value.is_string()) return misfit(value, "a string");
      put_string(out, value.as_string());
      return ok();
    case GgufType::array: break;
  }
  return invalid_input("arrays of arrays are not part of the format");
}

Result<void> put_array(std::string& out, const GgufKey& key) {
  if (!key.value.is_array()) return misfit(key.value, "an array");
  put(out, static_cast<std::int32_t>(key.element));
  put(out, static_cast<std::uint64_t>(key.value.size()));
  for (std::size_t i = 0; i < key.value.size(); ++i)
    VB_CHECK(put_scalar(out, key.element, key.value.items()[i]), "in array element {}", i);
  return ok();
}

bool is_name(std::string_view text) {
  return !text.empty() && is_valid_utf8(text) && text.find('\0') == std::string_view::npos;
}

Result<void> put_key(std::string& out, const GgufKey& key) {
  if (!is_name(key.name)) return invalid_input("expected UTF-8 text without zero bytes");
  put_string(out, key.name);
  put(out, static_cast<std::int32_t>(key.type));
  return key.type == GgufType::array ? put_array(out, key) : put_scalar(out, key.type, key.value);
}

Result<void> check_key_names(std::span<const GgufKey> keys) {
  std::vector<std::string_view> names;
  for (const GgufKey& key : keys) names.push_back(key.name);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return invalid_input("key '{}' is given more than once", printable(*twice));
  return ok();
}

Result<std::uint64_t> alignment_of(std::span<const GgufKey> keys) {
  for (const GgufKey& key : keys) {
    if (key.name != kAlignmentKey) continue;
    const std::int64_t value = key.value.as_int();
    if (key.type != GgufType::u32 || value < 1 || !std::has_single_bit(static_cast<std::uint64_t>(value)))
      return invalid_input("key '{}': expected a u32 that is a power of two", kAlignmentKey);
    return static_cast<std::uint64_t>(value);
  }
  return kDefaultAlignment;
}

std::uint64_t aligned(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

Result<void> put_tensor(std::string& out, const TensorOut& tensor, std::uint64_t offset) {
  if (!is_name(tensor.name) || tensor.name.size() > kMaxTensorName)
    return invalid_input("expected a name of 1 to {} bytes of UTF-8", kMaxTensorName);
  if (info(tensor.dtype).ggml_type < 0) return unsupported("GGUF has no type for {}", to_string(tensor.dtype));
  if (tensor.shape.rank() > kMaxDims)
    return unsupported("{} dimensions, GGUF's limit is {}", tensor.shape.rank(), kMaxDims);
  put_string(out, tensor.name);
  put(out, static_cast<std::uint32_t>(tensor.shape.rank()));
  for (int axis = tensor.shape.rank(); axis-- > 0;) put(out, tensor.shape[axis]);  // ne[0] is the fastest axis
  put(out, static_cast<std::int32_t>(info(tensor.dtype).ggml_type));
  put(out, offset);
  return ok();
}

struct Head {
  std::string bytes;  ///< padded to the alignment
  std::uint64_t alignment = kDefaultAlignment, data_bytes = 0;
};

Result<Head> make_head(std::span<const GgufKey> keys, const std::vector<TensorOut>& tensors) {
  Head head;
  VB_CHECK(check_key_names(keys));
  VB_CHECK(check_tensor_list(tensors));
  VB_TRY(head.alignment, alignment_of(keys));
  head.bytes = "GGUF";
  put(head.bytes, kVersion);
  put(head.bytes, static_cast<std::int64_t>(tensors.size()));
  put(head.bytes, static_cast<std::int64_t>(keys.size()));
  for (const GgufKey& key : keys) VB_CHECK(put_key(head.bytes, key), "in key '{}'", printable(key.name));
  for (const TensorOut& tensor : tensors) {
    VB_CHECK(put_tensor(head.bytes, tensor, head.data_bytes), "in tensor '{}'", printable(tensor.name));
    VB_TRY(const std::uint64_t size, size_bytes(tensor.dtype, tensor.shape));
    if (__builtin_add_overflow(head.data_bytes, aligned(size, head.alignment), &head.data_bytes))
      return invalid_input("the size of the tensor data overflows 64 bits");
  }
  // A file of keys alone ends behind them, as ggml's vocabularies do.
  if (!tensors.empty()) head.bytes.resize(aligned(head.bytes.size(), head.alignment), '\0');
  return head;
}

/// The last step of an AtomicFile is the rename: what is wrong with the file is found before it.
class CheckBeforeRename final : public FileOps {
 public:
  CheckBeforeRename(FileOps& ops, const std::function<Result<void>(const std::filesystem::path&)>& check) : ops_(ops), check_(check) {}
  const std::optional<Error>& found() const { return found_; }

  int open(const char* path, int flags, unsigned mode) override { return ops_.open(path, flags, mode); }
  long write(int fd, const void* data, std::size_t size) override { return ops_.write(fd, data, size); }
  int fsync(int fd) override { return ops_.fsync(fd); }
  int close(int fd) override { return ops_.close(fd); }
  int unlink(const char* path) override { return ops_.unlink(path); }
  int rename(const char* from, const char* to) override {
    if (const Result<void> right = check_(from); !right) {
      found_ = right.error();
      errno = EIO;
      return -1;
    }
    return ops_.rename(from, to);
  }

 private:
  FileOps& ops_;
  const std::function<Result<void>(const std::filesystem::path&)>& check_;
  std::optional<Error> found_;
};

}  // namespace

std::vector<GgufKey> gguf_keys(const GgufContents& contents) {
  std::vector<GgufKey> keys;
  for (const GgufKeyType& key : contents.keys)
    keys.push_back({key.name, key.type, *contents.metadata.find(key.name), key.element});
  return keys;
}

void set_key(std::vector<GgufKey>& keys, GgufKey key) {
  const auto at = std::find_if(keys.begin(), keys.end(), [&](const GgufKey& other) { return other.name == key.name; });
  if (at == keys.end())
    keys.push_back(std::move(key));
  else
    *at = std::move(key);
}

Result<void> write_gguf(const std::filesystem::path& path, std::span<const GgufKey> keys,
                        const std::vector<TensorOut>& tensors, FileOps& ops) {
  VB_TRY(const Head head, make_head(keys, tensors), "for {}", path.string());
  VB_TRY(AtomicFile file, AtomicFile::create(path, ops));
  VB_CHECK(file.write(head.bytes));
  for (const TensorOut& tensor : tensors) {
    VB_TRY(const TensorBytes made, make_bytes(tensor), "for {}", path.string());
    VB_CHECK(file.write(made.bytes));
    const std::uint64_t padding = aligned(made.bytes.size(), head.alignment) - made.bytes.size();
    VB_CHECK(file.write(std::string(static_cast<std::size_t>(padding), '\0')));
  }
  return file.commit();
}

Result<void> write_gguf_checked(const std::filesystem::path& path, std::span<const GgufKey> keys, const std::vector<TensorOut>& tensors,
                                const std::function<Result<void>(const std::filesystem::path&)>& check, FileOps& ops) {
  CheckBeforeRename checking(ops, check);
  Result<void> written = write_gguf(path, keys, tensors, checking);
  if (checking.found()) return *checking.found();
  return written;
}

Result<std::uint64_t> gguf_size_bytes(std::span<const GgufKey> keys, const std::vector<TensorOut>& tensors) {
  VB_TRY(const Head head, make_head(keys, tensors));
  return head.bytes.size() + head.data_bytes;
}

}  // namespace vauban
