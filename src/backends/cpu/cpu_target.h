/// Which kernels run on this processor.
#pragma once

#include "backends/cpu/cpu_ops.h"
#include "backends/cpu/kernels.h"

namespace vauban::cpu {

/// Errors: unsupported, naming what is available.
Result<const Kernels*> kernels_for(CpuTarget target);

}  // namespace vauban::cpu
