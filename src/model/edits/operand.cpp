#include "model/edits/operand.h"

#include <cmath>

#include "base/sha256.h"
#include "base/strings.h"

namespace vauban {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> dims;
  for (const std::int64_t dim : shape) dims.push_back(format("{}", dim));
  return "[" + join(dims, ", ") + "]";
}

}  // namespace

Result<void> check_operand(const WeightEdit& edit, const EditTarget& target) {
  const auto dims = target.shape.dims();
  const bool same = std::vector<std::int64_t>(dims.begin(), dims.end()) == edit.operand_shape &&
                    static_cast<std::int64_t>(edit.operand.size()) == target.shape.elements();
  if (!same)
    return with_hint(invalid_input("operand: '{}' is {}, found {} ({} values)", target.name, target.shape.to_string(),
                                   shape_text(edit.operand_shape), edit.operand.size()),
                     "matrices are (out, in), as a payload of `--observe weights:...` shows them");
  for (std::size_t i = 0; i < edit.operand.size(); ++i)
    if (!std::isfinite(edit.operand[i]))
      return invalid_input("operand: expected finite numbers, element {} is {}", i, edit.operand[i]);
  return ok();
}

Json operand_json(const WeightEdit& edit) {
  return Json::object({{"operand_sha256", sha256_hex(std::as_bytes(std::span(edit.operand)))},
                       {"source_sha256", edit.source_digest.empty() ? Json() : Json(edit.source_digest)}});
}

}  // namespace vauban
