#include "format/safetensors.h"

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace vauban {

namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kMaxHeader = 100'000'000;
constexpr std::string_view kMetadataKey = "__metadata__";

/// A tensor with its place in the data section.
struct Placed {
  TensorEntry entry;
  std::int64_t begin = 0, end = 0;
};

Result<std::string_view> header_text(std::span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes)
    return corrupt("expected an 8-byte header length, the file has {} bytes", bytes.size());
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  if (length > kMaxHeader) return corrupt("the header claims {} bytes, the limit is {}", length, kMaxHeader);
  if (length > bytes.size() - kLengthBytes)
    return corrupt("the header claims {} bytes, {} remain in the file", length, bytes.size() - kLengthBytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              static_cast<std::size_t>(length));
  if (!text.starts_with('{')) return corrupt("the header must start with '{{'");
  return text;
}

Result<Json> read_metadata(const Json& header) {
  const Json* found = header.find(kMetadataKey);
  if (found == nullptr || found->is_null()) return Json::object();
  if (!found->is_object()) return corrupt("__metadata__: expected an object of strings, found {}", found->type_name());
  for (const auto& [key, value] : found->entries())
    if (!value.is_string())
      return corrupt("__metadata__ key '{}': expected a string, found {}", printable(key), value.type_name());
  return *found;
}

Result<std::int64_t> read_count(const Json& value, std::string_view what) {
  // No file comes near 2^62; the bound also keeps as_int() from saturating.
  if (!value.is_integer() || value.as_double() < 0 || value.as_double() > 0x1p62)
    return corrupt("{}: expected integers from 0 to 2^62", what);
  return value.as_int();
}

Result<Shape> read_shape(const Json& fields) {
  VB_TRY(const Json* list, fields.get_array("shape"));
  std::vector<std::int64_t> dims;
  for (const Json& item : list->items()) {
    VB_TRY(const std::int64_t dim, read_count(item, "shape"));
    dims.push_back(dim);
  }
  return Shape::from(dims);
}

Result<Placed> read_placed(const Json& fields) {
  if (!fields.is_object())
    return corrupt("expected an object with dtype, shape and data_offsets, found {}", fields.type_name());
  Placed placed;
  VB_TRY(const std::string dtype, fields.get_string("dtype"));
  VB_TRY(placed.entry.view.dtype, dtype_from_safetensors(dtype));
  VB_TRY(placed.entry.view.shape, read_shape(fields));
  VB_TRY(const Json* offsets, fields.get_array("data_offsets"));
  if (offsets->size() != 2) return corrupt("data_offsets: expected [begin, end], found {} numbers", offsets->size());
  VB_TRY(placed.begin, read_count(offsets->items()[0], "data_offsets"));
  VB_TRY(placed.end, read_count(offsets->items()[1], "data_offsets"));
  return placed;
}

/// get_string and get_array call a missing key invalid input; inside a file it is the file that is wrong.
Error as_corrupt(Error error) {
  if (error.code == ErrorCode::invalid_input || error.code == ErrorCode::not_found) error.code = ErrorCode::corrupt;
  return error;
}

Result<std::vector<Placed>> read_tensors(const Json& header) {
  std::vector<Placed> tensors;
  for (const auto& [name, fields] : header.entries()) {
    if (name == kMetadataKey) continue;
    auto placed = read_placed(fields);
    if (!placed) return with_context(as_corrupt(std::move(placed).error()), format("in tensor '{}'", printable(name)));
    placed->entry.name = name;
    tensors.push_back(*std::move(placed));
  }
  std::sort(tensors.begin(), tensors.end(), [](const Placed& a, const Placed& b) {
    return std::tie(a.begin, a.end, a.entry.name) < std::tie(b.begin, b.end, b.entry.name);
  });
  return tensors;
}

/// Every byte of `data` belongs to exactly one tensor, in the order of `tensors`.
Result<void> place(std::vector<Placed>& tensors, std::span<const std::byte> data) {
  std::int64_t expected_begin = 0;
  for (Placed& tensor : tensors) {
    TensorView& view = tensor.entry.view;
    const std::string name = printable(tensor.entry.name);
    if (tensor.begin != expected_begin)
      return corrupt("tensor '{}': expected data to begin at byte {}, found {}", name, expected_begin, tensor.begin);
    if (tensor.end < tensor.begin)
      return corrupt("tensor '{}': data ends at {}, before its begin {}", name, tensor.end, tensor.begin);
    VB_TRY(const std::uint64_t size, size_bytes(view.dtype, view.shape), "in tensor '{}'", name);
    const auto found = static_cast<std::uint64_t>(tensor.end - tensor.begin);
    if (size != found)
      return corrupt("tensor '{}': {} {} takes {} bytes, data_offsets span {}", name, to_string(view.dtype),
                     view.shape.to_string(), size, found);
    if (static_cast<std::uint64_t>(tensor.end) > data.size())
      return corrupt("tensor '{}': data ends at byte {}, the file holds {}", name, tensor.end, data.size());
    view.bytes = data.subspan(static_cast<std::size_t>(tensor.begin), static_cast<std::size_t>(size));
    expected_begin = tensor.end;
  }
  if (static_cast<std::uint64_t>(expected_begin) != data.size())
    return corrupt("expected {} bytes of tensor data, the file holds {}", expected_begin, data.size());
  return ok();
}

}  // namespace

Result<SafetensorsContents> parse_safetensors(std::span<const std::byte> bytes) {
  VB_TRY(const std::string_view text, header_text(bytes));
  VB_TRY(const Json header, Json::parse(text), "in the safetensors header");
  SafetensorsContents contents;
  VB_TRY(contents.metadata, read_metadata(header));
  VB_TRY(std::vector<Placed> tensors, read_tensors(header));
  VB_CHECK(place(tensors, bytes.subspan(kLengthBytes + text.size())));
  for (Placed& tensor : tensors) contents.tensors.push_back(std::move(tensor.entry));
  return contents;
}

Result<std::shared_ptr<const ModelFile>> open_safetensors(const std::filesystem::path& path) {
  VB_TRY(const auto file, MappedFile::open(path));
  VB_TRY(SafetensorsContents contents, parse_safetensors(file->bytes()), "in {}", path.string());
  return ModelFile::make(Container::safetensors, {file}, std::move(contents.tensors), std::move(contents.metadata));
}

}  // namespace vauban
