#include "model/edits/operand.h"

namespace vauban {
namespace {

Result<std::vector<float>> add(const WeightEdit& edit, const EditTarget& target, std::vector<float> values) {
  VB_CHECK(check_finite("alpha", edit.alpha));
  VB_CHECK(check_operand(edit, target));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] =
        static_cast<float>(static_cast<double>(values[i]) + edit.alpha * static_cast<double>(edit.operand[i]));
  return values;
}

Json parameters(const WeightEdit& edit) {
  Json json = operand_json(edit);
  json["alpha"] = edit.alpha;
  return json;
}

}  // namespace

const WeightOp kAddToWeights{.id = "add",
                             .summary = "W + alpha T, T from a safetensors file",
                             .needs = {EditParameter::operand},
                             .takes = {EditParameter::alpha},
                             .apply = add,
                             .parameters = parameters};

}  // namespace vauban
