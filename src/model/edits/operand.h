/// What `add` and `set` have in common: a tensor of the target's shape.
#pragma once

#include "model/edits/weight_op.h"

namespace vauban {

/// Errors: invalid_input for another shape, or a value that is not finite.
Result<void> check_operand(const WeightEdit& edit, const EditTarget& target);
/// `operand_sha256`: of its values, as a snapshot's digest; `source_sha256`: of the file, null where there is none.
Json operand_json(const WeightEdit& edit);

}  // namespace vauban
