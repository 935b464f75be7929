/// The activation primitive: the one local arithmetic that observes or edits a residual at one site of one layer.
///
/// Per row h of a (tokens, D) activation, with direction d (D) or basis B (k, D), all accumulated in at least f32:
///   project           p = h . d                                            (h unchanged)
///   subtract / add    h' = h -/+ alpha p d
///   subspace_project  c = B h                                              (h unchanged)
///   subspace_remove / subspace_add   h' = h -/+ alpha B^T c
///   clamp             p' = min(max(p, lo), hi);  h' = h + alpha (p' - p) d
///   conditional       g = [h . gate > tau];      h' = h + g (delta of `inner`)
///   offset            h' = h + alpha d           (d not normalised: control vectors)
/// alpha = 0 leaves h bit-identical in every mode. Source: trace-contract section 7.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vauban/result.h"

namespace vauban {

enum class PrimitiveMode {
  project, subtract, add, subspace_project, subspace_remove, subspace_add, clamp, conditional, offset,
};
std::string_view to_string(PrimitiveMode mode);
Result<PrimitiveMode> primitive_mode_from(std::string_view name);

struct Primitive {
  PrimitiveMode mode = PrimitiveMode::project;
  std::vector<double> direction;  ///< (D), or a basis (k, D) row-major for the subspace modes
  std::int64_t basis_rows = 1;    ///< k
  double alpha = 1.0;
  double lo = 0.0, hi = 0.0;      ///< clamp
  std::vector<double> gate;       ///< conditional: (D)
  double tau = 0.0;               ///< conditional
  PrimitiveMode inner = PrimitiveMode::subtract;  ///< conditional: what to do where the gate is open
  /// Set by normalise(): the norm(s) before normalisation, one per row of `direction`.
  std::vector<double> norms_before;
};

/// Checks and normalises: directions to unit length (not for offset), a basis orthonormalised (modified Gram-Schmidt in
/// f64). Errors (invalid_input): NaN or Inf anywhere, zero or wrong-length vectors, rank-deficient basis, lo > hi,
/// non-finite alpha, an inner mode that is itself conditional.
Result<Primitive> validate_primitive(Primitive primitive, std::int64_t width);

}  // namespace vauban
