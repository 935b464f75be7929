/// What computed the answers of a run, as their traces say it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "vauban/trace.h"

namespace vauban {

/// One way of computing, and how many answers of one side came from it. A run that was resumed elsewhere has several.
struct Execution {
  std::string side;              ///< "baseline", "candidate"
  std::string backend;           ///< "reference", "cpu", "torch"
  std::string device;            ///< "cuda:0"
  std::string requested_device;  ///< as asked for, "cuda,cpu"; empty: none was named
  std::string numerics;          ///< "exact", "native", "fast"
  /// Whether the bits of a logit are independent of batch and threads there; nullopt: the trace does not say.
  std::optional<bool> invariant_bits;
  /// What is computed otherwise than the checkpoint's own format asks.
  std::vector<std::string> model_notes;
  std::int64_t answers = 0;
};

void count_execution(std::vector<Execution>& known, const Trace& trace);

/// False when some answers were computed where bits depend on batch or threads.
bool bits_are_invariant(const std::vector<Execution>& executions);

/// Array of objects with the names above; null where unknown.
Json to_json(const std::vector<Execution>& executions);

/// What follows for small effects and for what the format of a checkpoint asks, in words. `has_floor`: the baseline was measured
/// against itself.
std::vector<std::string> execution_limits(const std::vector<Execution>& executions, bool has_floor);

}  // namespace vauban
