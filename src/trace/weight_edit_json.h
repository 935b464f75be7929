/// Records of weight edits as JSON: metadata.weight_edits of a trace (docs/trace-format.md).
#pragma once

#include <span>

#include "base/json.h"
#include "vauban/weight_edit.h"

namespace vauban {

/// {edit, tensor, op, parameters, digest_before, digest_after, dtype_before, dtype_after, values, changed_values,
/// max_abs_change, mean_abs_change, effect: "changed" or "none"}
Json to_json(const WeightEditRecord& record);
Json to_json(std::span<const WeightEditRecord> records);

}  // namespace vauban
