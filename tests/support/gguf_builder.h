/// GgufBuilder: GGUF files for tests, right or wrong in one chosen place.
///
///   GgufBuilder b;
///   b.text("general.architecture", "llama").number<std::uint32_t>("llama.block_count", 4, 2);
///   b.tensor({.name = "a", .ne = {4, 2}, .type = 0, .data = std::string(32, '\0')});
///   parse_gguf(as_bytes(b.build()));
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vauban::test {

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// The little-endian bytes of a number, on the little-endian hosts that vauban supports.
template <class T>
std::string le(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string gguf_string(std::string_view text) { return le(std::uint64_t{text.size()}) + std::string(text); }

struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> ne;  ///< ne[0] is the fastest axis
  std::int32_t type = 0;
  std::string data;                             ///< padded by build()
  std::optional<std::uint64_t> offset = {};     ///< default: the running padded sum
  std::optional<std::uint32_t> n_dims = {};     ///< default: ne.size()
  std::optional<std::uint64_t> name_size = {};  ///< default: name.size()
};

struct GgufBuilder {
  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::optional<std::int64_t> n_tensors, n_keys;  ///< default: as many as were added
  std::uint64_t alignment = 32;  ///< of the layout; declare another with number("general.alignment", ...)
  std::vector<std::string> keys;
  std::vector<GgufTensor> tensors;

  GgufBuilder& raw_key(std::string bytes) {
    keys.push_back(std::move(bytes));
    return *this;
  }
  GgufBuilder& value(std::string_view key, std::int32_t type, std::string_view bytes) {
    return raw_key(gguf_string(key) + le(type) + std::string(bytes));
  }
  template <class T>
  GgufBuilder& number(std::string_view key, std::int32_t type, T number) {
    return value(key, type, le(number));
  }
  GgufBuilder& text(std::string_view key, std::string_view text) { return value(key, 8, gguf_string(text)); }
  GgufBuilder& array(std::string_view key, std::int32_t type, std::uint64_t count, std::string_view bytes) {
    return value(key, 9, le(type) + le(count) + std::string(bytes));
  }
  GgufBuilder& texts(std::string_view key, const std::vector<std::string>& items) {
    std::string bytes;
    for (const std::string& item : items) bytes += gguf_string(item);
    return array(key, 8, items.size(), bytes);
  }
  GgufBuilder& tensor(GgufTensor tensor) {
    tensors.push_back(std::move(tensor));
    return *this;
  }

  std::string build() const {
    std::string file = magic + le(version) + le(n_tensors.value_or(static_cast<std::int64_t>(tensors.size()))) +
                       le(n_keys.value_or(static_cast<std::int64_t>(keys.size())));
    for (const std::string& key : keys) file += key;
    std::string data;
    for (const GgufTensor& tensor : tensors) {
      file += describe(tensor, data.size());
      data += tensor.data;
      pad(data);
    }
    if (!tensors.empty()) pad(file);
    return file + data;
  }

 private:
  static std::string describe(const GgufTensor& tensor, std::uint64_t offset) {
    std::string bytes = le(tensor.name_size.value_or(tensor.name.size())) + tensor.name;
    bytes += le(tensor.n_dims.value_or(static_cast<std::uint32_t>(tensor.ne.size())));
    for (const std::int64_t dim : tensor.ne) bytes += le(dim);
    return bytes + le(tensor.type) + le(tensor.offset.value_or(offset));
  }
  void pad(std::string& bytes) const { bytes.append((alignment - bytes.size() % alignment) % alignment, '\0'); }
};

}  // namespace vauban::test
