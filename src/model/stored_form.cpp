#include "model/stored_form.h"

#include <cmath>
#include <cstring>

namespace vauban {
namespace {

/// (rows, columns) -> (columns, rows). Elements of a whole number of bytes; block types have no transpose.
Result<OwnedView> transposed(const TensorView& view) {
  const std::int64_t rows = view.shape[0], columns = view.shape[1];
  if (info(view.dtype).block != 1 || info(view.dtype).bits % 8 != 0)
    return unsupported("a matrix stored as (in, out) cannot be of type {}", to_string(view.dtype));
  const auto size = static_cast<std::size_t>(info(view.dtype).bits / 8);
  auto bytes = std::make_shared<std::vector<std::byte>>(view.bytes.size());
  for (std::int64_t row = 0; row < rows; ++row)
    for (std::int64_t column = 0; column < columns; ++column)
      std::memcpy(bytes->data() + static_cast<std::size_t>(column * rows + row) * size,
                  view.bytes.data() + static_cast<std::size_t>(row * columns + column) * size, size);
  return OwnedView{.view = {.dtype = view.dtype, .shape = {columns, rows}, .bytes = *bytes}, .bytes = bytes};
}

/// Every element plus `step`, in f32.
Result<OwnedView> shifted(const TensorView& view, float step) {
  VB_TRY(const std::vector<float> stored, decode_f32(view));
  auto bytes = std::make_shared<std::vector<std::byte>>(stored.size() * sizeof(float));
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const float value = stored[i] + step;
    std::memcpy(bytes->data() + i * sizeof(float), &value, sizeof(float));
  }
  return OwnedView{.view = {.dtype = DType::f32, .shape = view.shape, .bytes = *bytes}, .bytes = bytes};
}

/// Every element through `function`, in f64, kept in f32.
template <class Function>
Result<OwnedView> mapped(const TensorView& view, const Function& function) {
  VB_TRY(const std::vector<float> stored, decode_f32(view));
  auto bytes = std::make_shared<std::vector<std::byte>>(stored.size() * sizeof(float));
  for (std::size_t i = 0; i < stored.size(); ++i) {
    const auto value = static_cast<float>(function(static_cast<double>(stored[i])));
    std::memcpy(bytes->data() + i * sizeof(float), &value, sizeof(float));
  }
  return OwnedView{.view = {.dtype = DType::f32, .shape = view.shape, .bytes = *bytes}, .bytes = bytes};
}

}  // namespace

Shape stored_shape(const TensorSpec& spec, bool gguf) {
  if (!gguf) return hf_shape(spec);
  return spec.gguf_transposed ? Shape{spec.shape[1], spec.shape[0]} : spec.shape;
}

Result<Shape> stacked(const Shape& shape, std::int64_t count) {
  if (count == 0) return shape;
  std::vector<std::int64_t> dims{count};
  dims.insert(dims.end(), shape.dims().begin(), shape.dims().end());
  return Shape::from(dims);
}

Result<OwnedView> to_canonical(const TensorView& view, const TensorSpec& spec, bool gguf) {
  OwnedView owned{.view = view, .bytes = nullptr};
  if (gguf ? spec.gguf_transposed : spec.hf_transposed) {
    VB_TRY(owned, transposed(view));
  }
  if (!gguf && spec.hf_minus_one) return shifted(view, 1.0F);
  if (gguf && spec.gguf_negative_exp) return mapped(view, [](double x) { return std::log(-x); });
  if (!gguf && spec.hf_middle_one) owned.view.shape = spec.shape;
  VB_TRY(OwnedView moved, rows_to_canonical(owned.view, gguf ? spec.gguf_rows : spec.hf_rows, spec.heads, spec.kv_heads));
  if (!moved.bytes) moved.bytes = owned.bytes;
  return moved;
}

Result<OwnedView> from_canonical(const TensorView& view, const TensorSpec& spec, bool gguf) {
  if (!gguf && spec.hf_minus_one) return shifted(view, -1.0F);
  if (gguf && spec.gguf_negative_exp) return mapped(view, [](double x) { return -std::exp(x); });
  if (!gguf && spec.hf_middle_one) {
    OwnedView same{.view = view, .bytes = nullptr};
    same.view.shape = hf_shape(spec);
    return same;
  }
  VB_TRY(OwnedView moved, rows_from_canonical(view, gguf ? spec.gguf_rows : spec.hf_rows, spec.heads, spec.kv_heads));
  if (!(gguf ? spec.gguf_transposed : spec.hf_transposed)) return moved;
  return transposed(moved.view);
}

}  // namespace vauban
