/// Which kernels run on this processor.
#pragma once

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/primitive_kernels.h"

namespace vauban::cpu {

/// Errors: unsupported, naming what is available.
Result<const Kernels*> kernels_for(CpuTarget target);
/// The target that `kernels` belongs to.
CpuTarget target_of(const Kernels& kernels);
/// Those of a target that is available.
const PrimitiveKernels& primitive_kernels_of(CpuTarget target);

}  // namespace vauban::cpu
