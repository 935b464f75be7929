#include "app/hex/regions.h"

#include <algorithm>

#include "base/format.h"
#include "base/strings.h"
#include "format/byte_reader.h"
#include "format/gguf.h"
#include "format/safetensors.h"

namespace vauban {
namespace {

constexpr std::size_t kShortText = 96;
constexpr std::uint64_t kShownElements = 6;

std::string short_text(std::string_view text) { return printable(text, kShortText); }

/// Regions one behind the other, as the cursor moves on.
class Walk {
 public:
  explicit Walk(std::span<const std::byte> bytes) : in(bytes) {}
  ByteReader in;
  FileMap map;

  void close(std::string what, std::string name, std::string value) {
    map.regions.push_back({begin_, in.offset(), std::move(what), std::move(name), std::move(value)});
    begin_ = in.offset();
  }

 private:
  std::uint64_t begin_ = 0;
};

void add_tensor_data(FileMap& map, const std::vector<TensorEntry>& tensors, std::span<const std::byte> file) {
  std::vector<FileRegion> data;
  for (const TensorEntry& tensor : tensors) {
    if (tensor.view.bytes.empty()) continue;
    const auto begin = static_cast<std::uint64_t>(tensor.view.bytes.data() - file.data());
    data.push_back({begin, begin + tensor.view.bytes.size(), "tensor data", tensor.name,
                    format("{} {}", to_string(tensor.view.dtype), tensor.view.shape.to_string())});
  }
  std::ranges::sort(data, {}, &FileRegion::begin);
  for (FileRegion& region : data) {
    const std::uint64_t end = map.regions.empty() ? 0 : map.regions.back().end;
    if (region.begin > end) map.regions.push_back({end, region.begin, "padding", "", format("{} bytes", region.begin - end)});
    map.regions.push_back(std::move(region));
  }
  const std::uint64_t end = map.regions.empty() ? 0 : map.regions.back().end;
  if (end < file.size()) map.regions.push_back({end, file.size(), "padding", "", format("{} bytes", file.size() - end)});
}

// ---- safetensors

/// The end of the JSON string that begins at `at`, behind its closing quote; npos where it does not close.
std::size_t string_end(std::string_view text, std::size_t at) {
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (text[i] == '\\') ++i;
    else if (text[i] == '"') return i + 1;
  }
  return std::string_view::npos;
}

/// The end of the value at `at`: the comma or brace behind it on the same level.
std::size_t value_end(std::string_view text, std::size_t at) {
  int depth = 0;
  for (std::size_t i = at; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      i = string_end(text, i);
      if (i == std::string_view::npos) return i;
      --i;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (depth-- == 0) return i;
    } else if (c == ',' && depth == 0) {
      return i;
    }
  }
  return std::string_view::npos;
}

std::string unquoted(std::string_view quoted) {
  const Result<Json> parsed = Json::parse(quoted);
  return parsed && parsed->is_string() ? parsed->as_string() : std::string(quoted);
}

/// An entry per key of the header's object, whatever it holds. `text` begins at byte 8 of the file.
void add_header_entries(FileMap& map, std::string_view text) {
  for (std::size_t at = 0; (at = text.find('"', at)) != std::string_view::npos;) {
    const std::size_t key_end = string_end(text, at);
    const std::size_t colon = key_end == std::string_view::npos ? key_end : text.find_first_not_of(" \t\r\n", key_end);
    if (colon == std::string_view::npos || text[colon] != ':') return;
    const std::size_t end = value_end(text, colon + 1);
    if (end == std::string_view::npos) return;
    std::string name = unquoted(text.substr(at, key_end - at));
    const std::string what = name == "__metadata__" ? "metadata" : "tensor entry";
    map.regions.push_back({8 + at, 8 + end, what, std::move(name), short_text(trim(text.substr(colon + 1, end - colon - 1)))});
    at = end;
  }
}

FileMap safetensors_map(std::span<const std::byte> bytes) {
  Walk walk(bytes);
  walk.map.format = "safetensors";
  const auto length = walk.in.read<std::uint64_t>("the header length");
  walk.close("header length", "", format("{} bytes of JSON follow", *length));
  const std::string_view header = *walk.in.take(std::min<std::uint64_t>(*length, walk.in.remaining()), "the header");
  FileMap map = std::move(walk.map);
  add_header_entries(map, header);
  const std::size_t text_end = header.find_last_not_of(' ') + 1;
  if (text_end < header.size()) map.regions.push_back({8 + text_end, 8 + header.size(), "padding", "", format("{} spaces", header.size() - text_end)});
  const auto contents = parse_safetensors(bytes);
  if (!contents) {
    map.problem = describe(contents.error());
    return map;
  }
  // What stands between the entries (braces, commas) belongs to none; the data begins behind the header.
  map.regions.push_back({8 + header.size(), 8 + header.size(), "data section", "", format("offset 0 of data_offsets, byte {}", 8 + header.size())});
  add_tensor_data(map, contents->tensors, bytes);
  return map;
}

// ---- GGUF

Result<std::string_view> read_string(ByteReader& in, std::string_view what) {
  VB_TRY(const auto length, in.read<std::uint64_t>(what));
  return in.take(length, what);
}

template <class T>
Result<std::string> number_text(ByteReader& in) {
  VB_TRY(const T value, in.read<T>("a value"));
  return format("{}", value);
}

Result<std::string> scalar_text(ByteReader& in, GgufType type) {
  switch (type) {
    case GgufType::u8:
      return number_text<std::uint8_t>(in);
    case GgufType::i8:
      return number_text<std::int8_t>(in);
    case GgufType::u16:
      return number_text<std::uint16_t>(in);
    case GgufType::i16:
      return number_text<std::int16_t>(in);
    case GgufType::u32:
      return number_text<std::uint32_t>(in);
    case GgufType::i32:
      return number_text<std::int32_t>(in);
    case GgufType::f32:
      return number_text<float>(in);
    case GgufType::u64:
      return number_text<std::uint64_t>(in);
    case GgufType::i64:
      return number_text<std::int64_t>(in);
    case GgufType::f64:
      return number_text<double>(in);
    case GgufType::boolean: {
      VB_TRY(const auto value, in.read<std::uint8_t>("a bool"));
      return std::string(value ? "true" : "false");
    }
    case GgufType::string: {
      VB_TRY(const std::string_view text, read_string(in, "a string"));
      return "\"" + short_text(text) + "\"";
    }
    case GgufType::array:
      break;
  }
  return corrupt("an array of arrays at byte {}", in.offset());
}

std::string_view type_name(GgufType type) {
  static constexpr std::string_view kNames[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<std::size_t>(type)];
}

Result<GgufType> read_type(ByteReader& in) {
  VB_TRY(const auto type, in.read<std::int32_t>("a value type"));
  if (type < 0 || type > static_cast<std::int32_t>(GgufType::f64)) return corrupt("value type {} at byte {} does not exist", type, in.offset() - 4);
  return static_cast<GgufType>(type);
}

/// `count` more elements of an array.
Result<void> skip(ByteReader& in, GgufType element, std::uint64_t count) {
  static constexpr std::uint64_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  if (const std::uint64_t bytes = kBytes[static_cast<std::size_t>(element)]; bytes > 0) {
    if (count > in.remaining() / bytes) return corrupt("an array at byte {} claims {} more elements, {} bytes remain", in.offset(), count, in.remaining());
    VB_CHECK(in.take(count * bytes, "an array"));
    return ok();
  }
  for (std::uint64_t i = 0; i < count; ++i) VB_CHECK(read_string(in, "a string"));  // eight bytes each at least: the file bounds this
  return ok();
}

Result<std::string> value_text(ByteReader& in) {
  VB_TRY(const GgufType type, read_type(in));
  if (type != GgufType::array) {
    VB_TRY(const std::string text, scalar_text(in, type));
    return format("{} {}", type_name(type), text);
  }
  VB_TRY(const GgufType element, read_type(in));
  VB_TRY(const auto count, in.read<std::uint64_t>("an array's length"));
  std::vector<std::string> shown;
  for (std::uint64_t i = 0; i < std::min(count, kShownElements); ++i) {
    VB_TRY(std::string item, scalar_text(in, element));
    shown.push_back(std::move(item));
  }
  VB_CHECK(skip(in, element, count - std::min(count, kShownElements)));
  return format("{} x {}: {}{}", count, type_name(element), join(shown, ", "), count > kShownElements ? ", ..." : "");
}

Result<void> walk_header(Walk& walk) {
  VB_TRY(const std::string_view magic, walk.in.take(4, "the magic"));
  walk.close("magic", "", std::string(magic));
  VB_TRY(const auto version, walk.in.read<std::uint32_t>("the version"));
  walk.close("version", "", std::to_string(version));
  VB_TRY(const auto tensors, walk.in.read<std::uint64_t>("the tensor count"));
  walk.close("tensor count", "", std::to_string(tensors));
  VB_TRY(const auto keys, walk.in.read<std::uint64_t>("the key count"));
  walk.close("key count", "", std::to_string(keys));
  for (std::uint64_t i = 0; i < keys; ++i) {
    VB_TRY(const std::string_view key, read_string(walk.in, "a key"), "in key {} of {}", i + 1, keys);
    VB_TRY(std::string value, value_text(walk.in), "in key '{}'", printable(key));
    walk.close("key", std::string(key), std::move(value));
  }
  for (std::uint64_t i = 0; i < tensors; ++i) {
    VB_TRY(const std::string_view name, read_string(walk.in, "a tensor's name"), "in tensor {} of {}", i + 1, tensors);
    VB_TRY(const auto rank, walk.in.read<std::uint32_t>("the number of dimensions"));
    std::vector<std::string> dims;
    for (std::uint32_t axis = 0; axis < rank; ++axis) {
      VB_TRY(std::string dim, number_text<std::uint64_t>(walk.in), "in tensor '{}'", printable(name));
      if (axis < 8) dims.push_back(std::move(dim));
    }
    VB_TRY(const auto type, walk.in.read<std::int32_t>("a tensor's type"));
    VB_TRY(const auto offset, walk.in.read<std::uint64_t>("a tensor's offset"));
    const Result<DType> dtype = dtype_from_ggml(type);
    walk.close("tensor entry", std::string(name),
               format("ne {}, type {}, offset {}", join(dims, " x "), dtype ? std::string(to_string(*dtype)) : std::to_string(type), offset));
  }
  return ok();
}

FileMap gguf_map(std::span<const std::byte> bytes) {
  Walk walk(bytes);
  walk.map.format = "gguf";
  if (const auto walked = walk_header(walk); !walked) {
    walk.map.problem = describe(walked.error());
    return std::move(walk.map);
  }
  const auto contents = parse_gguf(bytes);
  if (contents) add_tensor_data(walk.map, contents->tensors, bytes);
  else walk.map.problem = describe(contents.error());
  return std::move(walk.map);
}

}  // namespace

FileMap map_of(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) return {.format = "", .regions = {}, .problem = "the file is empty"};
  if (text.starts_with("GGUF")) return gguf_map(bytes);
  if (text.size() > 8 && text[8] == '{') return safetensors_map(bytes);
  return {.format = "", .regions = {}, .problem = "neither a safetensors nor a GGUF file"};
}

}  // namespace vauban
