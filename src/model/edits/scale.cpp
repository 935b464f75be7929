#include "model/edits/weight_op.h"

namespace vauban {
namespace {

Result<std::vector<float>> scale(const WeightEdit& edit, const EditTarget& /*target*/, std::vector<float> values) {
  VB_CHECK(check_finite("alpha", edit.alpha));
  for (float& value : values) value = static_cast<float>(edit.alpha * static_cast<double>(value));
  return values;
}

Json parameters(const WeightEdit& edit) { return Json::object({{"alpha", edit.alpha}}); }

}  // namespace

const WeightOp kScaleWeights{.id = "scale",
                             .summary = "alpha W",
                             .needs = {EditParameter::alpha},
                             .takes = {},
                             .apply = scale,
                             .parameters = parameters};

}  // namespace vauban
