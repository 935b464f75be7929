#include "format/compressed/stored_parts.h"

#include <algorithm>

#include "base/strings.h"
#include "format/compressed/small_floats.h"

namespace vauban {
namespace {

bool is_one_of(DType dtype, std::initializer_list<DType> types) { return std::ranges::find(types, dtype) != types.end(); }

}  // namespace

const TensorView* StoredParts::find(std::string_view suffix) const {
  const TensorEntry* entry = file_.find(name(suffix));
  return entry ? &entry->view : nullptr;
}

Error StoredParts::wrong(std::string_view suffix, std::string_view expected) const {
  const TensorView* view = find(suffix);
  if (!view) return corrupt("tensor '{}' is missing: expected {}", printable(name(suffix)), expected);
  return corrupt("tensor '{}' is {} {}: expected {}", printable(name(suffix)), to_string(view->dtype), view->shape.to_string(), expected);
}

Result<TensorView> StoredParts::get(std::string_view suffix, std::initializer_list<DType> types) const {
  const TensorView* view = find(suffix);
  if (view && is_one_of(view->dtype, types)) return *view;
  std::vector<std::string> names;
  for (const DType type : types) names.emplace_back(to_string(type));
  return wrong(suffix, join(names, " or "));
}

Result<TensorView> StoredParts::matrix(std::string_view suffix, std::initializer_list<DType> types) const {
  VB_TRY(const TensorView view, get(suffix, types));
  if (view.shape.rank() != 2 || view.shape.elements() < 1) return wrong(suffix, "two dimensions of at least one");
  return view;
}

Result<TensorView> StoredParts::shaped(std::string_view suffix, std::initializer_list<DType> types, const Shape& shape) const {
  VB_TRY(const TensorView view, get(suffix, types));
  if (view.shape != shape) return wrong(suffix, shape.to_string());
  return view;
}

Result<std::vector<float>> StoredParts::floats(std::string_view suffix, const Shape& shape) const {
  VB_TRY(const TensorView view, shaped(suffix, {DType::f32, DType::f16, DType::bf16, DType::f8_e4m3, DType::f8_e5m2}, shape));
  return any_floats(view);
}

Result<std::vector<float>> any_floats(const TensorView& view) {
  const bool e4m3 = view.dtype == DType::f8_e4m3;
  if (!e4m3 && view.dtype != DType::f8_e5m2) return decode_f32(view);
  std::vector<float> values(view.bytes.size());
  std::ranges::transform(view.bytes, values.begin(), [&](std::byte b) { return e4m3 ? e4m3_to_f32(b) : e5m2_to_f32(b); });
  return values;
}

}  // namespace vauban
