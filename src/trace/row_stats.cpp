#include "trace/row_stats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace vauban {
namespace {

constexpr std::size_t kLanes = 8;  // independent sums, so that the additions need not wait for each other

/// Sum of f(value), in an order that depends on the length alone.
template <class F>
double lane_sum(std::span<const float> values, F f) {
  std::array<double, kLanes> lanes{};
  const std::size_t whole = values.size() - values.size() % kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes)
    for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(static_cast<double>(values[i + lane]));
  for (std::size_t i = whole; i < values.size(); ++i) lanes[i - whole] += f(static_cast<double>(values[i]));
  double sum = 0;
  for (const double lane : lanes) sum += lane;
  return sum;
}

double plain_sum(std::span<const float> values) {
  return lane_sum(values, [](double x) { return x; });
}

}  // namespace

RowStats::Moments RowStats::moments_of(std::span<const float> finite, double sum) {
  Moments m;
  m.count = static_cast<std::int64_t>(finite.size());
  if (finite.empty()) return m;
  m.mean = sum / static_cast<double>(m.count);
  m.squared_deviations = lane_sum(finite, [&](double x) { return (x - m.mean) * (x - m.mean); });
  m.squares = lane_sum(finite, [](double x) { return x * x; });
  const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
  m.min = *low;
  m.max = *high;
  return m;
}

std::span<const float> RowStats::drop_non_finite(std::span<const float> row) {
  finite_.clear();
  for (const float value : row) {
    if (std::isfinite(value)) finite_.push_back(value);
    nan_count_ += std::isnan(value);
    inf_count_ += std::isinf(value);
  }
  return finite_;
}

void RowStats::merge(const Moments& row) {
  if (row.count == 0) return;
  const double before = static_cast<double>(total_.count), added = static_cast<double>(row.count);
  const double shift = row.mean - total_.mean;
  total_.mean += shift * added / (before + added);
  total_.squared_deviations += row.squared_deviations + shift * shift * before * added / (before + added);
  total_.squares += row.squares;
  total_.count += row.count;
  total_.min = std::min(total_.min, row.min);
  total_.max = std::max(total_.max, row.max);
}

void RowStats::add(std::span<const float> row) {
  ++rows_;
  values_ += static_cast<std::int64_t>(row.size());
  // f32 values cannot overflow an f64 sum, so a sum that is not finite means that a value is not.
  double sum = plain_sum(row);
  if (!std::isfinite(sum)) {
    row = drop_non_finite(row);
    sum = plain_sum(row);
  }
  const Moments moments = moments_of(row, sum);
  merge(moments);
  const double norm = std::sqrt(moments.squares);
  norm_sum_ += norm;
  norm_max_ = std::max(norm_max_, norm);
}

Json RowStats::to_json() const {
  Json json = Json::object({{"count", values_}, {"nan_count", nan_count_}, {"inf_count", inf_count_}});
  for (const std::string_view key : {"mean", "std", "min", "max", "abs_max", "rms", "row_norm_mean", "row_norm_max"})
    json[key] = Json();
  if (rows_ > 0) {
    json["row_norm_mean"] = norm_sum_ / static_cast<double>(rows_);
    json["row_norm_max"] = norm_max_;
  }
  if (total_.count == 0) return json;
  const double count = static_cast<double>(total_.count);
  json["mean"] = total_.mean;
  json["std"] = std::sqrt(total_.squared_deviations / count);
  json["rms"] = std::sqrt(total_.squares / count);
  json["min"] = total_.min;
  json["max"] = total_.max;
  json["abs_max"] = std::max(std::abs(total_.min), std::abs(total_.max));
  return json;
}

}  // namespace vauban
