/// RowStats: the summary of a stream of rows, in memory that does not grow.
///
/// Moments are kept in f64: two passes inside a row, rows joined by the formula of Chan, Golub and LeVeque (1979), so
/// that the result depends on the order of the rows and not on how they were grouped into passes.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/json.h"

namespace vauban {

class RowStats {
 public:
  void add(std::span<const float> row);

  /// All over the finite values: `count` (all values), `mean`, `std` (of the population), `min`, `max`, `abs_max`,
  /// `rms`, `row_norm_mean`, `row_norm_max` (L2 of each row), and `nan_count`, `inf_count`. null where there is nothing
  /// to compute from.
  Json to_json() const;

  std::int64_t rows() const { return rows_; }

 private:
  struct Moments {
    std::int64_t count = 0;
    double mean = 0, squared_deviations = 0, squares = 0;
    float min = std::numeric_limits<float>::infinity(), max = -std::numeric_limits<float>::infinity();
  };
  static Moments moments_of(std::span<const float> finite, double sum);
  std::span<const float> drop_non_finite(std::span<const float> row);
  void merge(const Moments& row);

  Moments total_;
  std::int64_t rows_ = 0, values_ = 0, nan_count_ = 0, inf_count_ = 0;
  double norm_sum_ = 0, norm_max_ = 0;
  std::vector<float> finite_;  ///< scratch, of one row
};

}  // namespace vauban
