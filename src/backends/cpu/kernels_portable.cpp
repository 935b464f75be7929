/// Kernels for portable. Whatever the compiler makes for the base instruction set.
#include "backends/cpu/kernels.h"

#define VB_TILE_ROWS 1
#define VB_TARGET_NAME "portable"
#define VB_LAMBDA_INLINE __attribute__((always_inline))

namespace vauban::cpu {
namespace {
#include "backends/cpu/kernels_impl.h"
}  // namespace

const Kernels* portable_kernels() { return &kTable; }

}  // namespace vauban::cpu
