#include <cstdlib>

#include "base/rng.h"
#include "base/sha256.h"
#include "model/edits/weight_op.h"

namespace vauban {
namespace {

/// Each tensor draws its own stream, so that one edit of many tensors does not add the same matrix to all of them, and
/// so that a tensor's noise does not depend on which others are edited.
std::uint64_t stream_of(std::string_view tensor) {
  return std::strtoull(sha256_hex(tensor).substr(0, 16).c_str(), nullptr, 16);
}

Result<std::vector<float>> add_noise(const WeightEdit& edit, const EditTarget& target, std::vector<float> values) {
  VB_CHECK(check_finite("sigma", edit.sigma));
  if (edit.sigma < 0) return invalid_input("sigma: expected a number >= 0, found {}", edit.sigma);
  Rng rng(edit.seed, stream_of(target.name));
  for (float& value : values) value = static_cast<float>(static_cast<double>(value) + edit.sigma * rng.normal());
  return values;
}

Json parameters(const WeightEdit& edit) {
  return Json::object({{"sigma", edit.sigma}, {"seed", format("{}", edit.seed)}});  // 64 bits: as text
}

}  // namespace

const WeightOp kAddWeightNoise{.id = "add_noise",
                               .summary = "W + sigma N, N standard normal (Philox4x32-10), by seed and tensor name",
                               .needs = {EditParameter::sigma},
                               .takes = {EditParameter::seed},
                               .apply = add_noise,
                               .parameters = parameters};

}  // namespace vauban
