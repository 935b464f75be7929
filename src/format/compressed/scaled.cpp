#include "format/compressed/scaled.h"

namespace vauban {
namespace {

/// Writers differ in how many dimensions of one they keep.
bool fits(const Shape& stored, const Shape& grid) {
  if (stored == grid) return true;
  if (grid.elements() == 1) return stored.elements() == 1;
  return grid[1] == 1 && stored == Shape{grid[0]};
}

}  // namespace

std::string ScaleGrid::to_string() const {
  if (rows == 0 && columns == 0) return "one scale";
  if (columns == 0) return "a scale per row";
  return rows == 1 ? format("groups of {}", columns) : format("blocks of {} x {}", rows, columns);
}

Shape ScaleGrid::shape(const Shape& matrix) const {
  return {rows == 0 ? 1 : ceil_div(matrix[0], rows), columns == 0 ? 1 : ceil_div(matrix[1], columns)};
}

Result<ScaleGrid> block_grid(const Json& sizes) {
  if (sizes.is_array() && sizes.size() == 2) {
    const Json &rows = sizes.items()[0], &columns = sizes.items()[1];
    const auto is_size = [](const Json& size) { return size.is_integer() && size.as_int() >= 1 && size.as_int() <= (1 << 30); };
    if (is_size(rows) && is_size(columns)) return ScaleGrid{rows.as_int(), columns.as_int()};
  }
  return unsupported("expected two sizes of blocks");
}

Result<std::vector<float>> grid_floats(const StoredParts& parts, std::string_view suffix, const ScaleGrid& grid, const Shape& matrix) {
  const Shape expected = grid.shape(matrix);
  const TensorView* view = parts.find(suffix);
  if (!view || !fits(view->shape, expected)) return parts.wrong(suffix, format("{} for {}", expected.to_string(), matrix.to_string()));
  return parts.floats(suffix, view->shape);
}

Result<DecodedMatrix> scaled(const StoredParts& parts, std::string_view suffix, const ScaleGrid& grid, DecodedMatrix matrix) {
  VB_TRY(const std::vector<float> scales, grid_floats(parts, suffix, grid, matrix.shape));
  for_grid(matrix, grid, [&](float& value, std::size_t at) { value *= scales[at]; });
  return matrix;
}

std::string activation_note(std::string_view format_name) {
  return format("{} rounds activations at run time; here they are computed as they are, with the decoded weights", format_name);
}

}  // namespace vauban
