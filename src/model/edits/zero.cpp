#include <algorithm>

#include "model/edits/weight_op.h"

namespace vauban {
namespace {

Result<std::vector<float>> zero(const WeightEdit& /*edit*/, const EditTarget& /*target*/, std::vector<float> values) {
  std::ranges::fill(values, 0.0F);
  return values;
}

Json parameters(const WeightEdit& /*edit*/) { return Json::object(); }

}  // namespace

const WeightOp kZeroWeights{
    .id = "zero", .summary = "0", .needs = {}, .takes = {}, .apply = zero, .parameters = parameters};

}  // namespace vauban
