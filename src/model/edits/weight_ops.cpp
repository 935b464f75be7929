#include <array>
#include <cmath>

#include "base/strings.h"
#include "model/edits/weight_op.h"

namespace vauban {

std::span<const WeightOp> all_weight_ops() {
  static const std::array kOps{kScaleWeights, kZeroWeights, kAddWeightNoise, kProjectOutOfWeights, kAddToWeights,
                               kSetWeights};
  return kOps;
}

Result<const WeightOp*> find_weight_op(std::string_view id) {
  std::vector<std::string> known;
  for (const WeightOp& op : all_weight_ops()) {
    if (op.id == id) return &op;
    known.emplace_back(op.id);
  }
  const std::string nearest = did_you_mean(id, known);
  return with_hint(invalid_input("op: expected one of {}, found '{}'", join(known, ", "), printable(id, 60)),
                   nearest.empty() ? "see `vauban man weights`" : format("did you mean '{}'?", nearest));
}

Result<void> check_finite(std::string_view parameter, double value) {
  if (std::isfinite(value)) return ok();
  return invalid_input("{}: expected a finite number, found {}", parameter, value);
}

// ---- the two words of a side

std::string_view to_string(WeightSide side) { return side == WeightSide::output ? "output" : "input"; }

Result<WeightSide> weight_side_from(std::string_view name) {
  for (const WeightSide side : {WeightSide::output, WeightSide::input})
    if (to_string(side) == name) return side;
  return invalid_input("side: expected 'output' or 'input', found '{}'", printable(name, 60));
}

}  // namespace vauban
