/// Kernels for portable. Whatever the compiler makes for the base instruction set.
#include "backends/cpu/kernels.h"
#include "backends/cpu/training/training_kernels.h"

#define VB_TILE_ROWS 1
#define VB_TARGET_NAME "portable"
#define VB_LAMBDA_INLINE __attribute__((always_inline))

namespace vauban::cpu {
namespace {
#include "backends/cpu/kernels_impl.h"
#include "backends/cpu/training/training_kernels_impl.h"
}  // namespace

const Kernels* portable_kernels() { return &kTable; }
const TrainingKernels* portable_training_kernels() { return &kTrainingTable; }

}  // namespace vauban::cpu
