#include "evidence/directions/fit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "evidence/directions/principal.h"

namespace vauban {
namespace {

std::vector<double> mean_row(const ActivationRows& rows, const RowChoice& choice) {
  std::vector<double> sum(static_cast<std::size_t>(rows.width));
  for (const std::size_t index : choice) {
    const std::span<const float> row = rows.row(index);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(row[i]);
  }
  for (double& value : sum) value /= static_cast<double>(choice.size());
  return sum;
}

std::vector<double> pair_differences(const LabelledRows& data, const RowChoice& positive, const RowChoice& negative) {
  std::vector<double> out;
  for (std::size_t pair = 0; pair < std::min(positive.size(), negative.size()); ++pair) {
    const std::span<const float> a = data.positive.row(positive[pair]), b = data.negative.row(negative[pair]);
    for (std::size_t i = 0; i < a.size(); ++i) out.push_back(static_cast<double>(a[i]) - static_cast<double>(b[i]));
  }
  return out;
}

/// Towards the positive rows; where the difference of the means does not decide, the largest entry is positive.
void fix_sign(std::span<double> row, std::span<const double> difference) {
  const double along = dot(row, difference);
  const auto largest = std::ranges::max_element(row, {}, [](double value) { return std::abs(value); });
  if (along < 0 || (along == 0 && *largest < 0))
    for (double& value : row) value = -value;
}

Result<std::vector<double>> principal_basis(const LabelledRows& data, const RowChoice& positive,
                                            const RowChoice& negative, std::int64_t components,
                                            std::span<const double> difference) {
  const std::int64_t width = data.positive.width;
  VB_TRY(std::vector<double> basis,
         principal_directions(pair_differences(data, positive, negative), width, components));
  for (std::size_t begin = 0; begin < basis.size(); begin += difference.size())
    fix_sign(std::span(basis).subspan(begin, difference.size()), difference);
  return basis;
}

}  // namespace

std::string_view to_string(DirectionMethod method) {
  return method == DirectionMethod::pca ? "pca" : "mean_difference";
}

Result<DirectionMethod> direction_method_from(std::string_view name) {
  for (const DirectionMethod method : {DirectionMethod::mean_difference, DirectionMethod::pca})
    if (to_string(method) == name) return method;
  return invalid_input("expected method mean_difference or pca, found '{}'", name);
}

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

double length_of(std::span<const double> values) { return std::sqrt(dot(values, values)); }

std::vector<double> project_rows(const ActivationRows& rows, const RowChoice& choice,
                                 std::span<const double> direction) {
  std::vector<double> out;
  out.reserve(choice.size());
  for (const std::size_t index : choice) {
    const std::span<const float> row = rows.row(index);
    double sum = 0;
    for (std::size_t i = 0; i < row.size(); ++i) sum += static_cast<double>(row[i]) * direction[i];
    out.push_back(sum);
  }
  return out;
}

Result<FittedDirection> fit_direction(const LabelledRows& data, const RowChoice& positive, const RowChoice& negative,
                                      DirectionMethod method, std::int64_t components) {
  FittedDirection out;
  out.mean_positive = mean_row(data.positive, positive);
  out.mean_negative = mean_row(data.negative, negative);
  std::vector<double> difference = out.mean_positive;
  for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= out.mean_negative[i];
  const double length = length_of(difference);
  if (length == 0) return invalid_input("the two groups of activations have the same mean");
  if (method == DirectionMethod::pca) {
    VB_TRY(out.basis, principal_basis(data, positive, negative, components, difference));
    out.unit.assign(out.basis.begin(), out.basis.begin() + data.positive.width);
  } else {
    out.unit = difference;
    for (double& value : out.unit) value /= length;
    out.basis = out.unit;
  }
  out.norm = dot(difference, out.unit);
  return out;
}

}  // namespace vauban
