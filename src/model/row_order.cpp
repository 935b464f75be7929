#include "model/row_order.h"

#include <cstring>

namespace vauban {
namespace {

/// Moves rows between the pair order and the half order; `to_halves` says which way.
Result<OwnedView> move_rows(const TensorView& view, int heads, bool to_halves) {
  const std::int64_t rows = view.shape.rank() == 0 ? 0 : view.shape[0];
  if (heads <= 0 || rows <= 0 || rows % heads != 0 || (rows / heads) % 2 != 0)
    return corrupt("{} rows do not divide into {} heads of even width", rows, heads);
  if (view.bytes.size() % static_cast<std::size_t>(rows) != 0)
    return corrupt("{} bytes do not divide into {} rows", view.bytes.size(), rows);

  const std::size_t row_bytes = view.bytes.size() / static_cast<std::size_t>(rows);
  const std::int64_t head_rows = rows / heads, half = head_rows / 2;
  auto bytes = std::make_shared<std::vector<std::byte>>(view.bytes.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t head = row / head_rows, within = row % head_rows;
    const std::int64_t in_halves = head * head_rows + within / 2 + (within % 2) * half;  // of row `row` of the pairs
    const std::int64_t from = to_halves ? row : in_halves, to = to_halves ? in_halves : row;
    std::memcpy(bytes->data() + static_cast<std::size_t>(to) * row_bytes,
                view.bytes.data() + static_cast<std::size_t>(from) * row_bytes, row_bytes);
  }
  return OwnedView{.view = {.dtype = view.dtype, .shape = view.shape, .bytes = *bytes}, .bytes = bytes};
}

}  // namespace

Result<OwnedView> pairs_to_halves(const TensorView& view, int heads) { return move_rows(view, heads, true); }

Result<OwnedView> halves_to_pairs(const TensorView& view, int heads) { return move_rows(view, heads, false); }

}  // namespace vauban
