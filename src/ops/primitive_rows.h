/// The activation primitive on rows in host memory: the default that host backends share.
///
/// All arithmetic is f64 whatever the activation's type; the new row is rounded once, when it is written. A backend may
/// replace this with its own kernel if it passes tests/contract (ops_primitive_test.cpp, primitive_modes_test.cpp), and
/// make it its default through a recorded gate (docs/gates/).
#pragma once

#include <cstdint>
#include <span>

#include "ops/ops.h"
#include "vauban/primitive.h"

namespace vauban {

/// An element in bf16 storage.
struct Bf16 {
  std::uint16_t bits = 0;
  Bf16() = default;
  explicit Bf16(double value);  ///< one rounding, to nearest even
  explicit operator double() const;
};

inline bool is_subspace(PrimitiveMode mode) {
  return mode == PrimitiveMode::subspace_project || mode == PrimitiveMode::subspace_remove ||
         mode == PrimitiveMode::subspace_add;
}

/// What is done to a row: the mode, or the inner mode of a conditional.
inline PrimitiveMode effective_mode(const Primitive& primitive) {
  return primitive.mode == PrimitiveMode::conditional ? primitive.inner : primitive.mode;
}

/// Whether this primitive can change an activation at all (alpha 0 and the project modes cannot).
bool can_change(const Primitive& primitive);

/// How far a row with projection `p` moves along a direction: h' = h + sum_r factor(p_r) d_r. An open gate is assumed.
double primitive_factor(const Primitive& primitive, double p);

/// Evaluates `primitive` on the rows `rows` of `input` (any number of rows of `width` values) and writes changed rows
/// to `output`, which holds a copy of `input`; an unchanged row is not written. Fills everything of `result` but
/// its output. Returns the first row that holds NaN or Inf (reported, not repaired), or -1.
template <class T>
std::int64_t apply_primitive_rows(const Primitive& primitive, const T* input, T* output, std::int64_t width,
                                  std::span<const std::int32_t> rows, PrimitiveResult& result);

/// The backward of it by the input, on `rows`: `dx` holds a copy of `dy`. A moved row h' = h + sum_r f_r(p_r) d_r has
/// dx = dy + sum_r f_r'(p_r) (dy . d_r) d_r; the gate of a conditional is held.
template <class T>
void primitive_backward_rows(const Primitive& primitive, const T* dy, const T* x, T* dx, std::int64_t width,
                             std::span<const std::int32_t> rows);

extern template void primitive_backward_rows<float>(const Primitive&, const float*, const float*, float*, std::int64_t,
                                                    std::span<const std::int32_t>);
extern template void primitive_backward_rows<double>(const Primitive&, const double*, const double*, double*,
                                                     std::int64_t, std::span<const std::int32_t>);
extern template std::int64_t apply_primitive_rows<float>(const Primitive&, const float*, float*, std::int64_t,
                                                         std::span<const std::int32_t>, PrimitiveResult&);
extern template std::int64_t apply_primitive_rows<Bf16>(const Primitive&, const Bf16*, Bf16*, std::int64_t,
                                                        std::span<const std::int32_t>, PrimitiveResult&);
extern template std::int64_t apply_primitive_rows<double>(const Primitive&, const double*, double*, std::int64_t,
                                                          std::span<const std::int32_t>, PrimitiveResult&);

}  // namespace vauban
