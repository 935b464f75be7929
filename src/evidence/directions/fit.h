/// One direction from labelled activations: the arithmetic without any scoring.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace vauban {

/// Activations of one layer, one row per prompt.
struct ActivationRows {
  std::int64_t width = 0;
  std::vector<float> values;  ///< (rows, width)

  std::int64_t rows() const { return width == 0 ? 0 : static_cast<std::int64_t>(values.size()) / width; }
  std::span<const float> row(std::size_t index) const {
    const auto size = static_cast<std::size_t>(width);
    return std::span(values).subspan(index * size, size);
  }
};

/// Rows by index, possibly repeated (a bootstrap).
using RowChoice = std::vector<std::size_t>;

enum class DirectionMethod {
  mean_difference,  ///< mean of the positive rows - mean of the negative rows
  /// Principal directions of the differences of pairs, the i-th chosen positive row with the i-th chosen negative one.
  /// Each pair is centred on its midpoint, so the rows +-difference/2 are centred by construction.
  pca,
};
std::string_view to_string(DirectionMethod method);
Result<DirectionMethod> direction_method_from(std::string_view name);

struct FittedDirection {
  std::vector<double> unit;                          ///< (width), towards the positive rows
  double norm = 0;                                   ///< (mean_positive - mean_negative) . unit
  std::vector<double> mean_positive, mean_negative;  ///< (width)
  std::vector<double> basis;                         ///< (components, width); first row = unit
};

struct LabelledRows {
  const ActivationRows& positive;
  const ActivationRows& negative;
};

/// Errors: invalid_input where the two groups do not differ (their means are equal, or fewer dimensions than
/// `components`); the choices are not empty and in range.
Result<FittedDirection> fit_direction(const LabelledRows& data, const RowChoice& positive, const RowChoice& negative,
                                      DirectionMethod method, std::int64_t components);

double dot(std::span<const double> a, std::span<const double> b);
double length_of(std::span<const double> values);
/// The chosen rows on `direction`.
std::vector<double> project_rows(const ActivationRows& rows, const RowChoice& choice,
                                 std::span<const double> direction);

}  // namespace vauban
