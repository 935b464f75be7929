// Weight orthogonalisation: what a matrix writes along a direction, or reads of it, is taken out for good.
//   output   W' = W - alpha d (d^T W)    d as long as W has rows
//   input    W' = W - alpha (W d) d^T    d as long as a row
// Source: Arditi et al. 2024 (arXiv 2406.11717), section 4.1, where alpha is 1. A table (V, D) writes its rows into the
// residual, so there `input` is the side that holds d_model values.
#include <cmath>

#include "base/sha256.h"
#include "model/edits/weight_op.h"

namespace vauban {
namespace {

/// Unit length in f64.
Result<std::vector<double>> unit(const std::vector<double>& direction) {
  double squares = 0;
  for (std::size_t i = 0; i < direction.size(); ++i) {
    if (!std::isfinite(direction[i]))
      return invalid_input("direction: expected finite numbers, element {} is {}", i, direction[i]);
    squares += direction[i] * direction[i];
  }
  if (squares == 0 || !std::isfinite(squares))
    return invalid_input("direction: expected a length above 0, found {}", std::sqrt(squares));
  std::vector<double> out = direction;
  for (double& value : out) value /= std::sqrt(squares);
  return out;
}

Result<void> check_length(const WeightEdit& edit, const EditTarget& target) {
  const auto length = static_cast<std::int64_t>(edit.direction.size());
  const bool output = edit.side == WeightSide::output;
  if (target.shape.rank() < 1 || target.shape.rank() > 2)
    return invalid_input("'{}' is {}: a direction is taken out of vectors and matrices", target.name,
                         target.shape.to_string());
  if (target.shape.rank() == 1 && !output)
    return invalid_input("'{}' is a vector: it has no input side", target.name);
  const std::int64_t expected = output ? target.rows() : target.width();
  const std::int64_t other = output ? target.width() : target.rows();
  if (length == expected) return ok();
  const Error error = invalid_input("direction: the {} side of '{}' {} has {} values, found {}", to_string(edit.side),
                                    target.name, target.shape.to_string(), expected, length);
  if (length != other || target.shape.rank() == 1) return error;
  return with_hint(error, format("side = \"{}\" has that many", output ? "input" : "output"));
}

void take_out_of_rows(std::vector<float>& values, std::int64_t width, const std::vector<double>& d, double alpha) {
  for (std::size_t at = 0; at < values.size(); at += static_cast<std::size_t>(width)) {
    double dot = 0;
    for (std::size_t i = 0; i < d.size(); ++i) dot += static_cast<double>(values[at + i]) * d[i];
    for (std::size_t i = 0; i < d.size(); ++i)
      values[at + i] = static_cast<float>(static_cast<double>(values[at + i]) - alpha * dot * d[i]);
  }
}

void take_out_of_columns(std::vector<float>& values, std::int64_t width, const std::vector<double>& d, double alpha) {
  const auto columns = static_cast<std::size_t>(width);
  std::vector<double> dots(columns);  // d^T W
  for (std::size_t row = 0; row < d.size(); ++row)
    for (std::size_t i = 0; i < columns; ++i) dots[i] += d[row] * static_cast<double>(values[row * columns + i]);
  for (std::size_t row = 0; row < d.size(); ++row)
    for (std::size_t i = 0; i < columns; ++i)
      values[row * columns + i] =
          static_cast<float>(static_cast<double>(values[row * columns + i]) - alpha * d[row] * dots[i]);
}

Result<std::vector<float>> project_out(const WeightEdit& edit, const EditTarget& target, std::vector<float> values) {
  VB_CHECK(check_finite("alpha", edit.alpha));
  VB_CHECK(check_length(edit, target));
  VB_TRY(const std::vector<double> d, unit(edit.direction));
  if (edit.side == WeightSide::output)
    take_out_of_columns(values, target.width(), d, edit.alpha);
  else
    take_out_of_rows(values, target.width(), d, edit.alpha);
  return values;
}

Json parameters(const WeightEdit& edit) {
  double squares = 0;
  for (const double value : edit.direction) squares += value * value;
  return Json::object({{"alpha", edit.alpha},
                       {"side", to_string(edit.side)},
                       {"direction_length", edit.direction.size()},
                       {"direction_norm_before", std::sqrt(squares)},
                       {"direction_sha256", sha256_hex(std::as_bytes(std::span(edit.direction)))},
                       {"source_sha256", edit.source_digest.empty() ? Json() : Json(edit.source_digest)}});
}

}  // namespace

const WeightOp kProjectOutOfWeights{
    .id = "project_out",
    .summary = "W - alpha d (d^T W) (side output), W - alpha (W d) d^T (side input), for the unit direction d",
    .needs = {},
    .takes = {EditParameter::alpha, EditParameter::side, EditParameter::direction},
    .apply = project_out,
    .parameters = parameters};

}  // namespace vauban
