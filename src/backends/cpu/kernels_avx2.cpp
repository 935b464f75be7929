/// Kernels for avx2. AVX2, FMA and F16C: 16 registers of 8 lanes hold two rows.
#include "backends/cpu/kernels.h"
#include "backends/cpu/training/training_kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && !defined(__AVX512F__)
#include <immintrin.h>

#define VB_TILE_ROWS 2
#define VB_TARGET_NAME "avx2"
#define VB_LAMBDA_INLINE __attribute__((always_inline))

namespace vauban::cpu {
namespace {
#include "backends/cpu/kernels_impl.h"
#include "backends/cpu/training/training_kernels_impl.h"
}  // namespace

const Kernels* avx2_kernels() { return &kTable; }
const TrainingKernels* avx2_training_kernels() { return &kTrainingTable; }

}  // namespace vauban::cpu

#else

namespace vauban::cpu {
const Kernels* avx2_kernels() { return nullptr; }
const TrainingKernels* avx2_training_kernels() { return nullptr; }
}  // namespace vauban::cpu

#endif
