/// Matrices whose values are a code times a scale per tensor, row, group of a row, or rectangle.
#pragma once

#include "format/compressed/scheme.h"

namespace vauban {

/// Rows and columns that share a scale; 0: all of them.
struct ScaleGrid {
  std::int64_t rows = 0, columns = 0;
  std::string to_string() const;
  Shape shape(const Shape& matrix) const;  ///< of the scales of such a matrix
};
/// "[128, 128]". Errors: unsupported.
Result<ScaleGrid> block_grid(const Json& sizes);

/// `matrix` times the scales in `suffix`, each value once, in f32. A single scale may have any rank, one per row may be a vector.
/// Errors: corrupt.
Result<DecodedMatrix> scaled(const StoredParts& parts, std::string_view suffix, const ScaleGrid& grid, DecodedMatrix matrix);
/// The scales as they are, in the grid's order. Errors: corrupt.
Result<std::vector<float>> grid_floats(const StoredParts& parts, std::string_view suffix, const ScaleGrid& grid, const Shape& matrix);
/// Calls `f(value, index into the grid)` for every element.
template <class Function>
void for_grid(DecodedMatrix& matrix, const ScaleGrid& grid, const Function& f) {
  const std::int64_t rows = matrix.shape[0], columns = matrix.shape[1];
  const std::int64_t tall = grid.rows == 0 ? rows : grid.rows, wide = grid.columns == 0 ? columns : grid.columns;
  const std::int64_t across = ceil_div(columns, wide);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) f(matrix.values[as_size(r * columns + c)], as_size(r / tall * across + c / wide));
}

/// What a summary says of formats that also round activations.
std::string activation_note(std::string_view format);

}  // namespace vauban
