/// The activation primitive for avx2. 16 registers of 8 lanes hold two sums in two halves.
#include "backends/cpu/primitive_kernels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__) && !defined(__AVX512F__)
#include <immintrin.h>

#define VB_ROWS 2
#define VB_DIRECTIONS 1
#define VB_TARGET_NAME "avx2"

namespace vauban::cpu {
namespace {
#include "backends/cpu/primitive_impl.h"
}  // namespace

const PrimitiveKernels* avx2_primitive_kernels() { return &kPrimitiveTable; }

}  // namespace vauban::cpu

#else

namespace vauban::cpu {
const PrimitiveKernels* avx2_primitive_kernels() { return nullptr; }
}  // namespace vauban::cpu

#endif
