#include "model/edits/operand.h"

namespace vauban {
namespace {

Result<std::vector<float>> set(const WeightEdit& edit, const EditTarget& target, std::vector<float> /*values*/) {
  VB_CHECK(check_operand(edit, target));
  return edit.operand;
}

}  // namespace

const WeightOp kSetWeights{.id = "set",
                           .summary = "T, from a safetensors file",
                           .needs = {EditParameter::operand},
                           .takes = {},
                           .apply = set,
                           .parameters = operand_json};

}  // namespace vauban
