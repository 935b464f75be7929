/// The activation primitive for avx512. 32 registers of 16 lanes hold eight sums in two halves.
#include "backends/cpu/primitive_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include <immintrin.h>

#define VB_ROWS 4
#define VB_DIRECTIONS 2
#define VB_TARGET_NAME "avx512"

namespace vauban::cpu {
namespace {
#include "backends/cpu/primitive_impl.h"
}  // namespace

const PrimitiveKernels* avx512_primitive_kernels() { return &kPrimitiveTable; }

}  // namespace vauban::cpu

#else

namespace vauban::cpu {
const PrimitiveKernels* avx512_primitive_kernels() { return nullptr; }
}  // namespace vauban::cpu

#endif
