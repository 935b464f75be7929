/// The five checks of the primitive's gate (backends/cpu/primitive_gate.h; the user's note "MPS Primitive Boundary").
///
/// Each returns a JSON object with `status` (pass, fail or pending), the bound, and the numbers that decided. `pending`
/// is what could not be run here; it has not passed. Errors stop the gate: then no record is written.
#pragma once

#include "base/context.h"
#include "base/json.h"
#include "base/result.h"

namespace vauban::bench {

struct GateOptions {
  int threads = 0;
  int samples = 11;                ///< timed calls per case and path
  std::string model = "garrison";  ///< of trace_config, records_stable and suite
};

/// Every mode, widths 7 to 2049, every kernel target of this machine, against LibTorch on the CPU, and on CUDA where at
/// hand.
Result<Json> check_torch_equality(const Context& context);
/// One steered trace request of several prompts on both paths: the same tokens, the same measured effects within a
/// bound.
Result<Json> check_trace_config(const GateOptions& options);
/// The same traces: artifacts and profiles with the same ids, kinds, shapes and fields, and the path named.
Result<Json> check_records_stable(const GateOptions& options);
/// The answers to a whole suite under an intervention, before and after: the same classes, hardly a text that differs.
Result<Json> check_suite(const GateOptions& options);
/// On every case of measure.h: the slower quartile of the kernels beats the faster quartile of the scalar path.
Result<Json> check_speed(const GateOptions& options);

}  // namespace vauban::bench
