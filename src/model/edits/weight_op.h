/// The list of weight edits. To add one: a file here with a WeightOp, and a line in weight_ops.cpp.
///
/// An op is a pure function of a matrix on the host: f32 in, f32 out, sums in f64, one rounding. Where the values come
/// from, where they go and how to undo them is weight_editor.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tensor/shape.h"
#include "vauban/weight_edit.h"

namespace vauban {

/// What is edited: (rows, width) row-major; a vector of n values is (n, 1). An op that needs rows and width refuses others.
struct EditTarget {
  std::string_view name;
  Shape shape;
  std::int64_t rows() const { return shape[0]; }
  std::int64_t width() const { return shape.rank() == 2 ? shape[1] : 1; }
};

/// Members of WeightEdit that an op may read, beside tensor and op. How a user gives them is the app's business.
enum class EditParameter { alpha, sigma, seed, side, direction, operand };

struct WeightOp {
  std::string_view id;       ///< "scale"
  std::string_view summary;  ///< the formula
  std::vector<EditParameter> needs, takes;  ///< must, may be given
  /// Errors: invalid_input naming the parameter, what was expected and found.
  Result<std::vector<float>> (*apply)(const WeightEdit& edit, const EditTarget& target, std::vector<float> values);
  Json (*parameters)(const WeightEdit& edit);  ///< what records keep: vectors by digest
};

std::span<const WeightOp> all_weight_ops();
/// Errors: invalid_input with a did-you-mean.
Result<const WeightOp*> find_weight_op(std::string_view id);

extern const WeightOp kScaleWeights, kZeroWeights, kAddWeightNoise, kProjectOutOfWeights, kAddToWeights, kSetWeights;

/// Errors: invalid_input for NaN or infinities.
Result<void> check_finite(std::string_view parameter, double value);

}  // namespace vauban
