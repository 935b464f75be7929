/// What attention adds to a head's scores, and beside them: ALiBi and sinks. f64.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/ops.h"

namespace vauban {

/// What ALiBi adds to a score; `distance` is the key's position less the query's.
inline double alibi(const AttentionArgs& args, std::int64_t head, std::int64_t distance) {
  if (args.alibi_slopes.empty()) return 0.0;
  return args.alibi_slopes[static_cast<std::size_t>(head)] * static_cast<double>(distance);
}

/// The score of the head's sink; null without one.
inline const double* sink_of(const AttentionArgs& args, std::int64_t head) {
  return args.sinks ? args.sinks->tensor.as<double>() + head : nullptr;
}

}  // namespace vauban
