/// The activation primitive for portable. Whatever the compiler makes for the base instruction set.
#include "backends/cpu/primitive_kernels.h"

#define VB_ROWS 1
#define VB_DIRECTIONS 1
#define VB_TARGET_NAME "portable"

namespace vauban::cpu {
namespace {
#include "backends/cpu/primitive_impl.h"
}  // namespace

const PrimitiveKernels* portable_primitive_kernels() { return &kPrimitiveTable; }

}  // namespace vauban::cpu
