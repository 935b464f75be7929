/// The cpu backend in exact numerics: f32 activations, keys and values; weights as they lie in the mapped file (block
/// types packed), decoded to f32 inside the kernels. Every sum has one fixed order (kernels.h), so bits depend neither
/// on the number of rows, nor on the batch, nor on the thread count, nor on prefill against decode.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "ops/ops.h"

namespace vauban {

/// Instruction sets that the kernels are compiled for. avx512 and avx2 give the same bits; portable differs by
/// rounding.
enum class CpuTarget { portable, avx2, avx512 };
std::string_view to_string(CpuTarget target);
/// Targets that this build has and this processor can run, slowest first. Never empty.
std::vector<CpuTarget> available_cpu_targets();

/// What computes the activation primitive: loops in f64 (ops/primitive_rows.h), or vector kernels in f32 (primitive.h).
enum class PrimitivePath { scalar, simd };
std::string_view to_string(PrimitivePath path);

/// Without a target: the fastest that is available. Without a path: what the recorded gate allows (primitive_gate.h).
/// Errors: unsupported for a target that is not available. The pool of `context` must outlive the result.
Result<std::unique_ptr<Ops>> make_cpu_ops(const Context& context, std::optional<CpuTarget> target = {},
                                          std::optional<PrimitivePath> primitive = {});
/// Errors: unsupported for a device other than "cpu:0".
Result<void> check_cpu_device(std::string_view device);
/// For the list of backends. Errors: those of check_cpu_device.
Result<std::unique_ptr<Ops>> make_cpu_backend(const Context& context, std::string_view device,
                                              std::optional<PrimitivePath> primitive = {});

}  // namespace vauban
