/// Kernels for avx512. AVX-512 F, BW, VL, DQ: 32 registers of 16 lanes hold eight rows.
#include "backends/cpu/kernels.h"
#include "backends/cpu/training/training_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include <immintrin.h>

#define VB_TILE_ROWS 8
#define VB_TARGET_NAME "avx512"
#define VB_LAMBDA_INLINE __attribute__((always_inline))

namespace vauban::cpu {
namespace {
#include "backends/cpu/kernels_impl.h"
#include "backends/cpu/training/training_kernels_impl.h"
}  // namespace

const Kernels* avx512_kernels() { return &kTable; }
const TrainingKernels* avx512_training_kernels() { return &kTrainingTable; }

}  // namespace vauban::cpu

#else

namespace vauban::cpu {
const Kernels* avx512_kernels() { return nullptr; }
const TrainingKernels* avx512_training_kernels() { return nullptr; }
}  // namespace vauban::cpu

#endif
