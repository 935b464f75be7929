#include "format/safetensors_writer.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "base/strings.h"

namespace vauban {

namespace {

constexpr std::size_t kMaxHeader = 100'000'000;

/// The reference library's order of types: never narrower towards the end, apart from the bytes and parts of bytes.
constexpr std::array kTypeOrder = {
    DType::boolean, DType::f4,      DType::f6_e2m3, DType::f6_e3m2,     DType::u8,          DType::i8,
    DType::f8_e5m2, DType::f8_e4m3, DType::f8_e8m0, DType::f8_e4m3fnuz, DType::f8_e5m2fnuz, DType::i16,
    DType::u16,     DType::f16,     DType::bf16,    DType::i32,         DType::u32,         DType::f32,
    DType::c64,     DType::f64,     DType::i64,     DType::u64};

std::ptrdiff_t type_rank(DType dtype) {
  return std::find(kTypeOrder.begin(), kTypeOrder.end(), dtype) - kTypeOrder.begin();
}

using Order = std::vector<const NamedTensorView*>;

Order storage_order(const std::vector<NamedTensorView>& tensors) {
  Order order;
  for (const NamedTensorView& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const NamedTensorView* a, const NamedTensorView* b) {
    const auto rank_a = type_rank(a->view.dtype), rank_b = type_rank(b->view.dtype);
    return rank_a != rank_b ? rank_a > rank_b : a->name < b->name;
  });
  return order;
}

Result<void> check_tensor(const NamedTensorView& tensor) {
  const TensorView& view = tensor.view;
  if (tensor.name == "__metadata__") return invalid_input("the tensor name '__metadata__' is reserved");
  if (info(view.dtype).safetensors.empty()) return unsupported("safetensors has no type for {}", to_string(view.dtype));
  const auto size = size_bytes(view.dtype, view.shape);
  if (!size) return invalid_input("{}", size.error().message);
  if (*size != view.bytes.size())
    return invalid_input("{} {} takes {} bytes, {} were given", to_string(view.dtype), view.shape.to_string(), *size,
                         view.bytes.size());
  return ok();
}

Result<void> check_tensors(const std::vector<NamedTensorView>& tensors) {
  std::vector<std::string_view> names;
  for (const NamedTensorView& tensor : tensors) {
    VB_CHECK(check_tensor(tensor), "in tensor '{}'", printable(tensor.name));
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) return invalid_input("tensor '{}' is given more than once", printable(*twice));
  return ok();
}

Result<std::string> metadata_text(const SafetensorsMetadata& metadata) {
  Json object = Json::object();
  for (const auto& [key, value] : metadata) object[key] = value;
  return object.dump();
}

/// Not through Json, whose sorted keys would hide the order of the data.
Result<std::string> header_text(const Order& order, const SafetensorsMetadata& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    VB_TRY(const std::string values, metadata_text(metadata), "in the metadata");
    text += "\"__metadata__\":" + values;
  }
  std::uint64_t begin = 0;
  for (const NamedTensorView* tensor : order) {
    VB_TRY(const std::string name, Json(tensor->name).dump(), "in a tensor name");
    VB_TRY(const std::string shape,
           Json(Json::Array(tensor->view.shape.dims().begin(), tensor->view.shape.dims().end())).dump());
    const std::uint64_t end = begin + tensor->view.bytes.size();
    text += format("{}{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}", text.size() > 1 ? "," : "", name,
                   info(tensor->view.dtype).safetensors, shape, begin, end);
    begin = end;
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > kMaxHeader)
    return resource("the header needs {} bytes, the format's limit is {}", text.size(), kMaxHeader);
  return text;
}

std::string length_prefix(std::uint64_t length) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(length >> (8 * i) & 0xff);
  return bytes;
}

}  // namespace

Result<void> write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensorView>& tensors,
                               const SafetensorsMetadata& metadata, FileOps& ops) {
  VB_CHECK(check_tensors(tensors), "for {}", path.string());
  const Order order = storage_order(tensors);
  VB_TRY(const std::string header, header_text(order, metadata), "for {}", path.string());
  VB_TRY(AtomicFile file, AtomicFile::create(path, ops));
  VB_CHECK(file.write(length_prefix(header.size())));
  VB_CHECK(file.write(header));
  for (const NamedTensorView* tensor : order) VB_CHECK(file.write(tensor->view.bytes));
  return file.commit();
}

}  // namespace vauban
