#include "model/row_order.h"

#include <cstring>

namespace vauban {
namespace {

/// Where rows go. `heads` are those of the whole tensor, `head_rows` rows each.
struct Places {
  RowOrder order;
  std::int64_t head_rows = 0, heads = 0, kv_heads = 0;

  std::int64_t canonical(std::int64_t row) const {
    const std::int64_t head = row / head_rows, within = row % head_rows;
    switch (order) {
      case RowOrder::as_stored:
        break;
      case RowOrder::interleaved_heads:
        return head * head_rows + within / 2 + (within % 2) * (head_rows / 2);
      case RowOrder::grouped_qkv: {
        const std::int64_t queries = heads / kv_heads, group = head / (queries + 2), member = head % (queries + 2);
        const std::int64_t to = member < queries ? group * queries + member : heads + (member - queries) * kv_heads + group;
        return to * head_rows + within;
      }
      case RowOrder::grouped_qkvz: {
        const std::int64_t each = heads / kv_heads, group = head / (2 + 2 * each), member = head % (2 + 2 * each);
        if (member < 2) return (member * kv_heads + group) * head_rows + within;
        const std::int64_t gate = (member - 2) / each, index = (member - 2) % each;
        return (2 * kv_heads + gate * heads + group * each + index) * head_rows + within;
      }
    }
    return row;
  }
};

Result<Places> places_of(std::int64_t rows, RowOrder order, int heads, int kv_heads) {
  const bool gated = order == RowOrder::grouped_qkvz, fused = order == RowOrder::grouped_qkv || gated;
  const std::int64_t parts = fused ? (gated ? 2 : 1) * std::int64_t{heads} + 2 * std::int64_t{kv_heads} : heads;
  if (heads <= 0 || rows <= 0 || rows % parts != 0 || (!fused && (rows / parts) % 2 != 0))
    return corrupt("{} rows do not divide into {} heads{}", rows, parts, fused ? "" : " of even width");
  if (fused && (kv_heads <= 0 || heads % kv_heads != 0))
    return corrupt("{} heads do not divide into {} groups", heads, kv_heads);
  return Places{.order = order, .head_rows = rows / parts, .heads = heads, .kv_heads = kv_heads};
}

Result<OwnedView> move_rows(const TensorView& view, RowOrder order, int heads, int kv_heads, bool to_canonical) {
  if (order == RowOrder::as_stored) return OwnedView{.view = view, .bytes = nullptr};
  const std::int64_t rows = view.shape.rank() == 0 ? 0 : view.shape[0];
  VB_TRY(const Places places, places_of(rows, order, heads, kv_heads));
  if (view.bytes.size() % static_cast<std::size_t>(rows) != 0)
    return corrupt("{} bytes do not divide into {} rows", view.bytes.size(), rows);

  const std::size_t row_bytes = view.bytes.size() / static_cast<std::size_t>(rows);
  auto bytes = std::make_shared<std::vector<std::byte>>(view.bytes.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t canonical = places.canonical(row);
    const std::int64_t from = to_canonical ? row : canonical, to = to_canonical ? canonical : row;
    std::memcpy(bytes->data() + static_cast<std::size_t>(to) * row_bytes,
                view.bytes.data() + static_cast<std::size_t>(from) * row_bytes, row_bytes);
  }
  return OwnedView{.view = {.dtype = view.dtype, .shape = view.shape, .bytes = *bytes}, .bytes = bytes};
}

}  // namespace

Result<OwnedView> rows_to_canonical(const TensorView& view, RowOrder order, int heads, int kv_heads) {
  return move_rows(view, order, heads, kv_heads, true);
}

Result<OwnedView> rows_from_canonical(const TensorView& view, RowOrder order, int heads, int kv_heads) {
  return move_rows(view, order, heads, kv_heads, false);
}

}  // namespace vauban
