/// Printing what a transformation made, or would make: the answer of `convert` and `quantize`.
#pragma once

#include "app/session.h"
#include "transform/convert/convert.h"

namespace vauban {

/// Keys in, out, bytes, bits_per_weight, digest, lineage; plan is true and digest null where nothing was written.
Json report_json(const TransformReport& report, const std::string& in, const std::string& out, bool planned);
Result<void> print_report(Session& session, const TransformReport& report, const std::string& in, const std::string& out,
                          bool planned);

}  // namespace vauban
