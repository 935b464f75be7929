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

using Order = std::vector<const TensorOut*>;

Order storage_order(const std::vector<TensorOut>& tensors) {
  Order order;
  for (const TensorOut& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorOut* a, const TensorOut* b) {
    const auto rank_a = type_rank(a->dtype), rank_b = type_rank(b->dtype);
    return rank_a != rank_b ? rank_a > rank_b : a->name < b->name;
  });
  return order;
}

Result<void> check_tensor(const TensorOut& tensor) {
  if (tensor.name == "__metadata__") return invalid_input("the tensor name '__metadata__' is reserved");
  if (info(tensor.dtype).safetensors.empty())
    return unsupported("safetensors has no type for {}", to_string(tensor.dtype));
  const auto size = size_bytes(tensor.dtype, tensor.shape);
  if (!size) return invalid_input("{}", size.error().message);
  return ok();
}

Result<void> check_tensors(const std::vector<TensorOut>& tensors) {
  for (const TensorOut& tensor : tensors)
    VB_CHECK(check_tensor(tensor), "in tensor '{}'", printable(tensor.name));
  return check_tensor_list(tensors);
}

Result<TensorOut> tensor_out(const NamedTensorView& tensor) {
  const TensorView& view = tensor.view;
  const auto size = size_bytes(view.dtype, view.shape);
  if (size && *size != view.bytes.size())
    return invalid_input("{} {} takes {} bytes, {} were given", to_string(view.dtype), view.shape.to_string(), *size,
                         view.bytes.size());
  return TensorOut{.name = tensor.name, .dtype = view.dtype, .shape = view.shape, .make = [view]() -> Result<TensorBytes> {
                     return TensorBytes{.bytes = view.bytes, .owner = {}};
                   }};
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
  for (const TensorOut* tensor : order) {
    VB_TRY(const std::string name, Json(tensor->name).dump(), "in a tensor name");
    VB_TRY(const std::string shape, Json(Json::Array(tensor->shape.dims().begin(), tensor->shape.dims().end())).dump());
    VB_TRY(const std::uint64_t size, size_bytes(tensor->dtype, tensor->shape));
    const std::uint64_t end = begin + size;
    text += format("{}{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}", text.size() > 1 ? "," : "", name,
                   info(tensor->dtype).safetensors, shape, begin, end);
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

Result<std::vector<TensorOut>> tensor_outs(const std::vector<NamedTensorView>& tensors) {
  std::vector<TensorOut> outs;
  for (const NamedTensorView& tensor : tensors) {
    VB_TRY(TensorOut out, tensor_out(tensor), "in tensor '{}'", printable(tensor.name));
    outs.push_back(std::move(out));
  }
  return outs;
}

Result<std::string> head_of(const Order& order, const SafetensorsMetadata& metadata) {
  VB_TRY(const std::string header, header_text(order, metadata));
  return length_prefix(header.size()) + header;
}

}  // namespace

Result<void> stream_safetensors(const std::filesystem::path& path, const std::vector<TensorOut>& tensors,
                                const SafetensorsMetadata& metadata, FileOps& ops) {
  VB_CHECK(check_tensors(tensors), "for {}", path.string());
  const Order order = storage_order(tensors);
  VB_TRY(const std::string head, head_of(order, metadata), "for {}", path.string());
  VB_TRY(AtomicFile file, AtomicFile::create(path, ops));
  VB_CHECK(file.write(head));
  for (const TensorOut* tensor : order) {
    VB_TRY(const TensorBytes made, make_bytes(*tensor), "for {}", path.string());
    VB_CHECK(file.write(made.bytes));
  }
  return file.commit();
}

Result<void> write_safetensors(const std::filesystem::path& path, const std::vector<NamedTensorView>& tensors,
                               const SafetensorsMetadata& metadata, FileOps& ops) {
  VB_TRY(const std::vector<TensorOut> outs, tensor_outs(tensors));
  return stream_safetensors(path, outs, metadata, ops);
}

Result<std::string> safetensors_head(const std::vector<NamedTensorView>& tensors, const SafetensorsMetadata& metadata) {
  VB_TRY(const std::vector<TensorOut> outs, tensor_outs(tensors));
  return safetensors_head(outs, metadata);
}

Result<std::string> safetensors_head(const std::vector<TensorOut>& tensors, const SafetensorsMetadata& metadata) {
  VB_CHECK(check_tensors(tensors));
  return head_of(storage_order(tensors), metadata);
}

}  // namespace vauban
