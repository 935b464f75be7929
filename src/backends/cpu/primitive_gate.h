/// The recorded gate of the activation primitive's kernels: they are the default of Ops::primitive only where
/// docs/gates/primitive-cpu.json, compiled in, says that exactly these sources passed every check on this kind of
/// machine. Without that the scalar path is the default, and the kernels are `experimental`: they run when asked for,
/// and every profile names them so.
///
/// The checks are those of the user's note (MPS Primitive Boundary, "Verification Gate"). `bench/primitive/gate` makes
/// the record; a check that could not be run is `pending`, and pending has not passed.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/primitive.h"

namespace vauban {

inline constexpr std::array<std::string_view, 5> kPrimitiveGateChecks{
    "torch_equality",  ///< equal to the LibTorch path on CPU, and on CUDA where at hand, within stated bounds
    "trace_config",    ///< one trace configuration on both paths, on this hardware
    "records_stable",  ///< the same TraceArtifact and StageProfile records
    "suite",           ///< a behaviour suite before and after
    "speed",           ///< measured, with variance
};

/// What was compiled in (cmake/PrimitiveGate.cmake).
struct PrimitiveGateBuild {
  std::string_view record;                    ///< text of the record; empty without one
  std::string_view sources_sha256;            ///< of "NAME SHA256\n" of each source, then the flags and a newline
  std::span<const std::string_view> sources;  ///< paths in the source tree
  std::string_view flags, architecture;
  std::string_view compiler;  ///< its name and version, and the flags that all files get
};
PrimitiveGateBuild primitive_gate_build();

struct PrimitiveGateVerdict {
  bool passed = false;
  std::string reason;  ///< why not; empty when passed
};
/// Whether `build.record` lets the kernels of `target` be the default. Anything that is missing or cannot be read is a
/// no.
PrimitiveGateVerdict judge_primitive_gate(const PrimitiveGateBuild& build, CpuTarget target);

/// What a profile calls this path: "scalar", "simd", or "simd-experimental" where the gate has not passed.
std::string_view primitive_label(PrimitivePath path, CpuTarget target);

/// For a processor that runs `target`: what this build's own record allows.
PrimitivePath default_primitive_path(CpuTarget target);

}  // namespace vauban
